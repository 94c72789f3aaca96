//! Workspace: a part of an organization with members of its own.

mod check;
pub mod commands;
mod events;
mod records;
mod state;
#[cfg(test)]
mod tests;

pub use events::*;
pub use records::*;
pub use state::{Workspace, WorkspaceMember};
