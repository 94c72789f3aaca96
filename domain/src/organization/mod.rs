//! Organization: the tenant, its members, their roles, and the invitations into it.

pub mod commands;
mod events;
mod records;

pub use events::*;
pub use records::*;
