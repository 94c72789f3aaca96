//! Organization: the tenant, its members, their roles, and the invitations into it.

mod check;
pub mod commands;
mod events;
mod records;
mod state;
#[cfg(test)]
mod tests;

pub use events::*;
pub use records::*;
pub use state::{Invitation, Organization, OrganizationMember};
