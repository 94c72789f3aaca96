//! Operations: what is decided about what a projection or a reaction set aside, recorded like everything else.

mod check;
pub mod commands;
mod events;
mod state;

pub use events::*;
pub use state::{Operations, OperationsId, reaction_digest};
