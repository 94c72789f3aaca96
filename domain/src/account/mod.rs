//! Account: who somebody is on the platform, how they prove it, and what they tell of themselves.

mod check;
pub mod commands;
mod events;
mod records;
mod state;
#[cfg(test)]
mod tests;

pub use events::*;
pub use records::*;
pub use state::{Account, IssuedToken, PasswordEnding, PasswordReset, Standing, TokenMail};
