//! Use cases that span aggregates.

mod access;
mod across;
mod signatures;
pub(crate) mod stage;
