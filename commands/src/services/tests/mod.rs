//! Use cases that span aggregates.

mod access;
mod across;
mod receipts;
mod signatures;
pub(crate) mod stage;
