//! What a member of a conversation does there for themselves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::events;
use crate::{AccountId, ConversationId, DeviceId, OrganizationId};

events! {
    /// Everything that a member of a conversation does there for themselves.
    pub enum ConversationMemberEvent in ConversationMember as ConversationMember {
        /// See [`ReceiptRecorded`].
        ReceiptRecorded(ReceiptRecorded) = "conversation_member.receipt_recorded", 1;
    }
}

impl ConversationMemberEvent {
    /// The conversation that it is about.
    pub const fn conversation_id(&self) -> ConversationId {
        match self {
            Self::ReceiptRecorded(event) => event.conversation_id,
        }
    }
}

/// A device has got, and its owner has read, all messages up to these numbers. Neither ever falls. Newly covered are those
/// behind the number before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiptRecorded {
    /// The conversation's organization.
    pub organization_id: OrganizationId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Whose device.
    pub account_id: AccountId,
    /// The device.
    pub device_id: DeviceId,
    /// Delivered up to and including this number before; 0 for none.
    pub delivered_before: u64,
    /// Delivered up to and including this number.
    pub delivered_up_to: u64,
    /// Read up to and including this number before; 0 for none.
    pub read_before: u64,
    /// Read up to and including this number, at most `delivered_up_to`.
    pub read_up_to: u64,
    /// In a conversation of many members: those who sent the latest of the messages newly covered, ascending. They and the
    /// account itself are told of it as it happens. None where all members are.
    pub senders: Option<Vec<AccountId>>,
}
