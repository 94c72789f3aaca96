//! What changed.

use domain::{AccountId, ConversationId, MessageId, Timestamp};
use serde::Deserialize;

use super::{Conversation, ConversationMember, Message, Pin, Reaction};
use crate::http::Position;

/// One page of a sync.
#[derive(Clone, Debug, Deserialize)]
pub struct SyncPage {
    /// Everything that happened up to here shows; the same on all pages.
    pub position: Position,
    /// Whether everything is answered although changes were asked for.
    pub reset: bool,
    /// Conversations, the newest activity first.
    pub conversations: Vec<SyncedConversation>,
    /// Conversations that one is in no more.
    pub left: Vec<ConversationId>,
    /// How people are called.
    pub people: Vec<Person>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// A conversation with what a list of conversations shows of it.
#[derive(Clone, Debug, Deserialize)]
pub struct SyncedConversation {
    /// The conversation.
    pub conversation: Conversation,
    /// The other member of a direct conversation.
    pub direct_with: Option<AccountId>,
    /// Its last message, if there is one.
    pub last_message: Option<LastMessage>,
    /// Messages of others that were not read, at most 100.
    pub unread: u64,
    /// Messages up to this number are gone.
    pub visible_after: u64,
}

/// A conversation's last message, without its content.
#[derive(Clone, Debug, Deserialize)]
pub struct LastMessage {
    /// Its number.
    pub number: u64,
    /// Its id.
    pub message_id: MessageId,
    /// Who sent it.
    pub sender_id: AccountId,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When its content was last replaced.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted for everyone.
    pub deleted_at: Option<Timestamp>,
}

/// How somebody is called.
#[derive(Clone, Debug, Deserialize)]
pub struct Person {
    /// Who.
    pub account_id: AccountId,
    /// Name to show; none when erased.
    pub display_name: Option<String>,
}

/// One page of what changed in a conversation.
#[derive(Clone, Debug, Deserialize)]
pub struct ChangesPage {
    /// Everything that happened up to here shows; the same on all pages.
    pub position: Position,
    /// Whether everything is answered although changes were asked for.
    pub reset: bool,
    /// Messages that were edited or deleted.
    pub messages: Vec<Message>,
    /// Reactions that were set or taken away.
    pub reactions: Vec<ReactionChange>,
    /// Messages that were pinned or unpinned.
    pub pins: Vec<PinChange>,
    /// Who joined, left, or has another role.
    pub members: Vec<MemberChange>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// A reaction slot.
#[derive(Clone, Debug, Deserialize)]
pub struct ReactionChange {
    /// Number of the message.
    pub number: u64,
    /// Whose.
    pub account_id: AccountId,
    /// Which slot.
    pub slot: u8,
    /// What it holds; none when the reaction was taken away.
    pub reaction: Option<Reaction>,
}

/// A message that was pinned or unpinned.
#[derive(Clone, Debug, Deserialize)]
pub struct PinChange {
    /// Number of the message.
    pub number: u64,
    /// The pin; none when it was unpinned.
    pub pin: Option<Pin>,
}

/// Somebody who joined, got another role, or left.
#[derive(Clone, Debug, Deserialize)]
pub struct MemberChange {
    /// Who.
    pub account_id: AccountId,
    /// The member; none when they left.
    pub member: Option<ConversationMember>,
}
