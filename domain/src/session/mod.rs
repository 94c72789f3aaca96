//! Session: one login, its rotating refresh token, and the device it is bound to.

mod check;
pub mod commands;
mod events;
mod records;
mod state;
#[cfg(test)]
mod tests;

pub use events::*;
pub use records::*;
pub use state::Session;
