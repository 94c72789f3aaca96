//! Conversation: members, recipients, key generations, messages. What the server enforces about end-to-end encryption is
//! decided here, so that replaying a conversation's events proves it. What each member has acknowledged is an aggregate of its
//! own ([`crate::conversation_member`]).
//!
//! The state grows by a few bytes a message (who sent it, whether it was deleted) so that deciding and evolving cost the
//! same whatever the length; message content is never in it.

mod acknowledgement;
pub mod binding;
mod check;
pub mod commands;
mod direct;
mod events;
mod message_entry;
#[cfg(test)]
mod properties;
mod records;
mod rules;
mod signed_wraps;
mod standing;
mod state;
#[cfg(test)]
mod testing;

pub use acknowledgement::Acknowledgement;
#[cfg(test)]
pub(crate) use acknowledgement::LatestSenders;
pub use direct::direct_conversation_id;
pub use events::*;
pub use records::*;
pub use signed_wraps::{SignedWraps, WrapSigner};
pub use standing::{EndedTerms, Standing, Terms, WorkspaceStanding, WorkspaceTerm};
pub use state::Conversation;
