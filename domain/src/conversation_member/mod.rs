//! A member of a conversation: what they alone decide about it. Today that is which messages each of their devices has got and
//! they have read there.
//!
//! Each has a stream of its own, so that a thousand who acknowledge a message neither wait for one another nor for whoever sends
//! the next. The stream outlives the membership: whoever comes back goes on where they were.

mod check;
pub mod commands;
mod events;
mod id;
#[cfg(test)]
mod properties;
mod state;
#[cfg(test)]
mod testing;

pub use events::{ConversationMemberEvent, ReceiptRecorded};
pub use id::conversation_member_id;
pub use state::{ConversationMember, Watermarks};
