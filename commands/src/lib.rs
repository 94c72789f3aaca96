//! Writes. Commands come in, are decided by `domain`, and leave as events in the log.
//!
//! # What this crate guarantees
//!
//! - A command is decided against the state that its events are appended to: commands for one stream take effect one after
//!   another, on whichever nodes they come in.
//! - A command takes effect once. A repeated one (same [`domain::CommandId`], same content) is answered with what it did
//!   the first time; the same id with other content is refused.
//! - What begins after a session, membership or password ended is refused, on whichever node and with every reaction dead: the
//!   streams themselves are looked at, or where they ended is a condition of the append.
//! - An answer says what is durable. When that is unknown, the error says so and repeating is safe.
//! - One command appends to one stream. Work that spans streams is done by [`services`] in steps that can each be repeated,
//!   or by [`reactions`], which follow the log at least once with ids derived from what they follow.
//!
//! # What it deliberately knows nothing of
//!
//! Rules (they are in `domain`), read models, HTTP.
//!
//! # Recipe: a command
//!
//! 1. The rule: see the recipe of `domain`.
//! 2. The use case: a method in `services/<context>.rs` that gathers the facts the command carries and calls
//!    [`executor::Executor::execute`].
//!
//! # Recipe: a reaction
//!
//! 1. A file in `reactions/`: a type with [`reactions::Reaction`]; the ids of the commands it gives come from
//!    [`request::Request::reaction`].
//! 2. A line in [`reactions::all`].
//! 3. What it has to look up by another key than a stream's id: a table in `migrations/`, kept by an index reaction.

pub mod auth;
pub mod clock;
pub mod executor;
pub mod limits;
pub mod mail;
pub mod metrics;
pub mod migrations;
pub mod network;
pub mod reactions;
pub mod request;
pub mod reservations;
pub mod services;
mod signatures;

pub use migrations::migrate;
pub use services::{Parts, Services};

/// A database with the log and the write side, for tests.
#[cfg(any(test, feature = "testing"))]
pub mod testing;
