//! Workspace: a part of an organization with members of its own.

pub mod commands;
mod events;
mod records;

pub use events::*;
pub use records::*;
