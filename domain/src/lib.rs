//! Decides. Every rule of Envoi is here, as pure functions over plain state.
//!
//! # What this crate guarantees
//!
//! - [`Aggregate::decide`] and [`Aggregate::evolve`] are deterministic: same state, same command, same [`Context`], same
//!   events. Replaying a stream's events gives the state that decided them.
//! - [`Aggregate::check`] refuses every history that breaks a rule which the stream itself can prove, and none that
//!   `decide` made.
//! - Aggregate state holds no personal data: that lies in the sealed part of events ([`Draft`]), which `evolve` never sees.
//! - Matches over events are exhaustive, so a new event shows every place that has to learn of it.
//!
//! # What it deliberately knows nothing of
//!
//! Clocks, randomness, I/O, async, SQL, HTTP, keys at rest, storage. Time and ids come in as arguments, the moment of a command
//! in its [`Context`].
//!
//! # Recipe: a command
//!
//! 1. Its events: a struct in `<context>/events.rs` and a line in that file's [`events!`] table; sealed records go to
//!    `<context>/records.rs` with a line in [`records`].
//! 2. The state's answer to them: an arm in `<context>/state.rs`, `evolve`; before it, what the stream itself demands of
//!    them: an arm in `<context>/check.rs`.
//! 3. The rule: a struct in `<context>/commands/<verb>.rs` with `decide` and given/when/then tests, a line in
//!    `<context>/commands/mod.rs`.
//! 4. A refusal nobody has needed before: a line in [`rejection`].

mod aggregate;
mod bytes;
mod codes;
mod command;
mod event;
mod ids;
mod owned;
mod persistent;
#[cfg(test)]
mod testing;
mod time;
mod violation;

pub mod account;
pub mod conversation;
pub mod conversation_member;
pub mod device;
pub mod limits;
pub mod operations;
pub mod organization;
pub mod records;
pub mod rejection;
pub mod session;
pub mod text;
pub mod workspace;

pub use aggregate::{Actor, ActorKind, Aggregate, Category, Context, Draft, Period, Plain, SubjectId};
pub use bytes::{Blob, Digest, HpkeKey, Nonce, Signature, VerifyKey};
pub use event::{Event, EventGroup, EventType, Payload, PayloadDecoder, PayloadVisitor, SealedSchema};
pub use ids::*;
pub use owned::{AccountDevice, AccountRecipient};
pub use records::{NoRecord, PersonalRecord, Record};
pub use rejection::{Rejection, RejectionKind};
pub use time::Timestamp;
pub use violation::{Rule, Violation};
