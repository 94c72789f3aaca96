//! Conversation: members, recipients, key generations, messages, receipts. What the server enforces about end-to-end
//! encryption is decided here, so that replaying a conversation's events proves it.
//!
//! The state grows by a few bytes a message (who sent it, whether it was deleted) so that deciding and evolving cost the
//! same whatever the length; message content is never in it.

pub mod commands;
mod events;
mod records;

pub use events::*;
pub use records::*;
