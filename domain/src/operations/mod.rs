//! Operations: what operators decide about a projection, recorded like everything else.

pub mod commands;
mod events;
mod state;

pub use events::*;
pub use state::{Operations, OperationsId};
