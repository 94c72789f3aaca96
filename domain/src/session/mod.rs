//! Session: one login, its rotating refresh token, and the device it is bound to.

pub mod commands;
mod events;
mod records;

pub use events::*;
pub use records::*;
