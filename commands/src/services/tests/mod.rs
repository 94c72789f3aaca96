//! Use cases that span aggregates.

mod across;
mod signatures;
pub(crate) mod stage;
