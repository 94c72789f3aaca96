//! Use cases that span aggregates.

mod across;
pub(crate) mod stage;
