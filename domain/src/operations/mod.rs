//! Operations: what operators decide about a projection, recorded like everything else.

pub mod commands;
mod events;

pub use events::*;
