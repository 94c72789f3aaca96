//! Keeps. The append-only log: what an event looks like when stored, how its personal part is sealed, and the engines.
//!
//! # What this crate guarantees
//!
//! - The guarantees G1 to G7 of [`EventLog`], each a named test in one suite that every engine passes.
//! - Every (event, version) ever written can be decoded: [`catalogue`], its upcasters and the golden samples.
//! - A sealed part opens to [`Opened::Clear`] or [`Opened::Erased`]; an unknown key is an error, never "erased".
//! - One process at a time holds a [`lease`]; one that lost it without knowing commits nothing under it.
//!
//! # What it deliberately knows nothing of
//!
//! Commands, read models, HTTP; of the rules only that a history can be examined by them ([`verify`]).
//!
//! # Recipe: a changed event or record
//!
//! 1. The old struct stays as it is under another name, beside its successor in `domain`, which gets the next version.
//! 2. `From<Old> for New`, and a line in `UPCASTERS` ([`catalogue`]).
//! 3. `cargo run -p eventstore-schema --example write_catalogue`: its JSON Schema and golden sample. The old sample's
//!    bytes stay; its twin (`.json`) is edited to say what they decode to now.
//!
//! A new event or record takes step 3 alone, after the recipe in `domain`.
//!
//! # Recipe: another engine
//!
//! 1. One module that implements [`EventLog`]; positions are its own, ordered, with or without gaps.
//! 2. A file in `tests/contract/` that implements `Engine`, and a line in that directory's `main.rs`: the whole suite.

mod append_lock;
pub mod bench;
pub mod catalogue;
pub mod cluster;
pub mod codec;
pub mod copy;
pub mod database;
mod entropy;
mod envelope;
#[cfg(feature = "eventstoredb")]
mod esdb;
pub mod golden;
mod guarded;
mod in_order;
pub mod keyring;
pub mod lease;
mod log;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
mod metrics;
pub mod migrations;
mod postgres;
mod reading;
pub mod schema;
mod sealed;
pub mod sealing;
mod snapshots;
#[cfg(test)]
mod states;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod vectors;
pub mod verify;

pub use append_lock::AppendLock;
pub use envelope::{CommandRef, Origin, Position, RecordedEvent, Revision, StreamId, record_hash};
#[cfg(feature = "eventstoredb")]
pub use esdb::{EsdbEventLog, EsdbLogConfig, EsdbSettings, EsdbSettingsError};
pub use guarded::{GuardedLog, Refusal};
pub use keyring::Keyring;
pub use log::{
    AppendError, Appended, Condition, EventLog, Expected, Head, Incarnation, LogError, NewEvent, PAGE_BYTES,
    PageLimits, ReadFilter, Snapshot, StreamAppend, StreamsPage, Subscription, may_go_on,
};
pub use metrics::LogMetrics;
pub use migrations::{MigrateError, migrate};
pub use postgres::{PgEventLog, PgLogConfig};
pub use sealed::{InvalidCell, KeyRef, Opened, SealHeader, SealedCell, Tenant};
pub use sealing::{FingerprintKeys, SealError, Sealer};
