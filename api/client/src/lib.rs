//! The client SDK: end-to-end encryption and a typed client for Envoi's HTTP and live interfaces.
//!
//! # What this crate guarantees
//!
//! - Content leaves it encrypted and signed; content that comes in is shown only after everything about it was verified, in
//!   a fixed order, each failure a typed error ([`e2ee`]).
//! - Keys are wrapped only for recipients that their account's identity key certifies; an identity key that changes is
//!   never followed silently.
//! - Private keys are on disk only encrypted under a passphrase, in a file that is replaced atomically.
//!
//! # What it deliberately knows nothing of
//!
//! The server's insides: it shares ids, limits, events and the bound bytes with it through `domain`, nothing else.
//!
//! # Where to begin
//!
//! [`Server`] registers and logs in, which gives a [`Client`]; `examples/two_people.rs` shows a whole conversation.
//!
//! # Recipe: a route
//!
//! 1. A function in `api/<context>.rs` that makes the request; what it sends and reads goes to [`api::dto`].
//! 2. A line in `api/openapi_tests.rs`, which holds both against `api/openapi.json`.
//! 3. A method of [`Client`] where an application would want one.
//!
//! # Recipe: a kind of content
//!
//! 1. A variant of [`e2ee::Content`] with its JSON form; older clients show [`e2ee::Content::Unsupported`] for it.
//! 2. A message with it in `e2ee/vectors/envelope.rs`, and `ENVOI_WRITE_VECTORS=1 cargo test -p envoi-client vectors`.

pub mod api;
pub mod client;
pub mod conversations;
pub mod e2ee;
pub mod edge;
pub mod error;
pub mod http;
pub mod keystore;
pub mod live;
pub mod messages;
pub mod people;
pub mod problem;
mod receipts;
pub mod session;
mod settings;
pub mod sync;

#[cfg(test)]
mod testing;

pub use client::{Client, Keep, Server};
pub use error::Error;
