//! Device: the end-to-end keys of one account: identity key, recovery key, and devices that the identity key certifies.

pub mod certificate;
mod check;
pub mod commands;
mod events;
pub mod proof;
mod records;
mod state;
#[cfg(test)]
mod tests;

pub use events::*;
pub use proof::DeviceProof;
pub use records::*;
pub use state::{DeviceKeys, DeviceSet};
