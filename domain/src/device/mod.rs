//! Device: the end-to-end keys of one account: identity key, recovery key, and devices that the identity key certifies.

pub mod commands;
mod events;
mod records;

pub use events::*;
pub use records::*;
