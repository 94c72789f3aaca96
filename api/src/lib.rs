//! Serves. HTTP and the live socket: what comes in is checked and handed on, what goes out is shaped in one place.
//!
//! # What this crate guarantees
//!
//! - No handler runs for a caller who has not proved what the endpoint demands: trust levels are types
//!   ([`endpoint::Trust`]).
//! - Every refusal is `application/problem+json` with a stable code, made in [`problem`]; causes go to the log only.
//! - Every body, page, queue and wait has a limit, in [`limits`].
//! - Router, documentation, batches and authorisation matrix derive from one registry: [`routes::ROUTES`].
//! - A live socket delivers events in order, without gap or duplicate across reconnects, or says `reset`.
//!
//! # What it deliberately knows nothing of
//!
//! Rules (they are in `domain`), SQL (reading is in `projections`, writing in `commands`).
//!
//! # Recipe: an endpoint
//!
//! 1. A file `routes/<context>/<verb_noun>.rs` with a type that implements [`endpoint::Endpoint`]: its path, its text and
//!    who gets through in `ABOUT`; its caller, intent, body and answer as types; its handler.
//! 2. `pub mod <verb_noun>;` in `routes/<context>/mod.rs` and a line in [`routes::ROUTES`].
//! 3. `UPDATE_OPENAPI=1 cargo test -p api openapi` writes `api/openapi.json` anew.
//! 4. An example of it in the authorisation matrix, `tests/tests/edge/authorization.rs`; the test there names what is
//!    missing, and `UPDATE_AUTHORIZATION=1 cargo test -p tests authorization` writes `ops/docs/authorization.md` anew.
//!
//! # Recipe: an event that comes over the live socket
//!
//! 1. Its audience in `live/audience.rs`, which the compiler asks for, and its row in `ops/docs/live.md`.
//! 2. A line in `live/schemas.rs`; `UPDATE_LIVE_EVENTS=1 cargo test -p api live` writes `api/live-events.json` anew.

mod access;
mod budget;
mod connection;
mod contract;
mod cursor;
mod edge;
mod etag;
pub mod health;
mod invoke;
pub mod live;
mod metrics;
mod names;
mod people;
mod proxies;
mod rates;
mod reference;

pub mod endpoint;
pub mod extract;
pub mod limits;
pub mod openapi;
pub mod problem;
pub mod routes;
pub mod server;
mod since;
pub mod state;

pub use cursor::{Cursors, Place, Purpose};
pub use live::Live;
pub use metrics::Metrics;
pub use people::People;
pub use proxies::{ForwardedHeader, Proxies};
pub use rates::{Rate, Rates};
