//! Tables of the messages.

use domain::conversation::DeliveryState;
use domain::{AccountId, ConversationId, DeviceId, MessageId, OrganizationId, Timestamp};
use eventstore_schema::{Position, SealedCell};

crate::table! {
    /// How many messages a conversation has. Every change of its messages, reactions and pins changes this row, too: its position
    /// says up to where they are known.
    pub struct MessageCounter in "message_counters" visible Organization {
        key {
            /// The conversation.
            conversation_id: ConversationId,
        }
        columns {
            /// Its organization.
            organization_id: OrganizationId,
            /// Messages up to this number went when it was deleted, before it was opened again; 0 for none.
            deleted_up_to: u64,
            /// Number of its last message; 0 for none.
            last_number: u64,
            /// When that was sent; none when it went since.
            last_sent_at: Option<Timestamp>,
            /// Position of the last message, or of what opened the conversation: lists by activity are ordered by it.
            activity_position: Position,
            /// When that happened.
            activity_at: Timestamp,
        }
    }
}

crate::table! {
    /// A message. What an edit replaces is gone from here; the log keeps it.
    pub struct Message in "messages" visible Organization {
        key {
            /// The conversation.
            conversation_id: ConversationId,
            /// Its place there.
            number: u64,
        }
        columns {
            /// The conversation's organization.
            organization_id: OrganizationId,
            /// As its sender named it.
            message_id: MessageId,
            /// Who sent it.
            sender_id: AccountId,
            /// The device that its content comes from.
            device_id: DeviceId,
            /// The generation that its content is encrypted under; 0 in clear.
            generation: u32,
            /// Whether its content is end-to-end encrypted.
            encrypted: bool,
            /// [`domain::conversation::MessageBody`], sealed; none when the message was deleted.
            ciphertext: Option<SealedCell>,
            /// Number of the message that it answers.
            reply_to: Option<u64>,
            /// When it was sent.
            sent_at: Timestamp,
            /// When its content was replaced last.
            edited_at: Option<Timestamp>,
            /// When it was deleted.
            deleted_at: Option<Timestamp>,
            /// Who deleted it.
            deleted_by: Option<AccountId>,
        }
        indexes ["conversation_id, position WHERE edited_at IS NOT NULL OR deleted_at IS NOT NULL"]
    }
}

crate::table! {
    /// A device that messages of a conversation are, or were, sent to.
    pub struct MessageRecipient in "message_recipients" visible Organization {
        key {
            /// The conversation.
            conversation_id: ConversationId,
            /// Whose device.
            account_id: AccountId,
            /// The device.
            device_id: DeviceId,
        }
        columns {
            /// The conversation's organization.
            organization_id: OrganizationId,
            /// Last message before the device came; those up to it are not counted as sent to it.
            since_number: u64,
            /// Last message before the device was taken out.
            until_number: Option<u64>,
        }
        sets {
            /// All devices of a member.
            RecipientsOf { conversation_id: ConversationId, account_id: AccountId }
            /// All devices there are or were.
            RecipientsIn { conversation_id: ConversationId }
        }
    }
}

crate::table! {
    /// How far a member's device has come in a conversation.
    pub struct MessageWatermark in "message_watermarks" visible Organization {
        key {
            /// The conversation.
            conversation_id: ConversationId,
            /// Whose device.
            account_id: AccountId,
            /// The device.
            device_id: DeviceId,
        }
        columns {
            /// The conversation's organization.
            organization_id: OrganizationId,
            /// Delivered up to and including.
            delivered_up_to: u64,
            /// Read up to and including.
            read_up_to: u64,
        }
    }
}

crate::table! {
    /// A range of messages that one receipt covered, with its time. A receipt for a thousand messages is one row.
    pub struct MessageReceipt in "message_receipts" visible Organization {
        key {
            /// The conversation.
            conversation_id: ConversationId,
            /// Whose device.
            account_id: AccountId,
            /// The device.
            device_id: DeviceId,
            /// Delivered or read.
            state: DeliveryState,
            /// Last message covered.
            up_to: u64,
        }
        columns {
            /// The conversation's organization.
            organization_id: OrganizationId,
            /// First message covered.
            from_number: u64,
            /// When.
            at: Timestamp,
        }
    }
}

crate::table! {
    /// What a member's reaction slot on a message holds.
    pub struct MessageReaction in "message_reactions" visible Organization {
        key {
            /// The conversation.
            conversation_id: ConversationId,
            /// The message.
            number: u64,
            /// Whose.
            account_id: AccountId,
            /// Which slot.
            slot: u8,
        }
        columns {
            /// The conversation's organization.
            organization_id: OrganizationId,
            /// As its sender named it.
            reaction_id: MessageId,
            /// From which device.
            device_id: DeviceId,
            /// The generation that it is encrypted under; 0 in clear.
            generation: u32,
            /// Whether it is end-to-end encrypted.
            encrypted: bool,
            /// [`domain::conversation::MessageBody`], sealed.
            ciphertext: SealedCell,
            /// When.
            reacted_at: Timestamp,
        }
        indexes ["conversation_id, position"]
        sets {
            /// All reactions on a message.
            ReactionsOn { conversation_id: ConversationId, number: u64 }
        }
    }
}

crate::table! {
    /// A pinned message.
    pub struct MessagePin in "message_pins" visible Organization {
        key {
            /// The conversation.
            conversation_id: ConversationId,
            /// The message.
            number: u64,
        }
        columns {
            /// The conversation's organization.
            organization_id: OrganizationId,
            /// Who pinned it.
            pinned_by: AccountId,
            /// When.
            pinned_at: Timestamp,
        }
    }
}

/// Periods that a tombstone is kept for at least, after the one in which it was made.
pub const TOMBSTONE_PERIODS_KEPT: i64 = 3;
/// Length of a period in days.
pub const TOMBSTONE_PERIOD_DAYS: i64 = 10;
/// Periods before those that are looked through for tombstones to drop. Where nothing was taken away for longer, some stay.
pub const TOMBSTONE_PERIODS_DROPPED: i64 = 20;

/// The period that a moment lies in.
pub fn tombstone_period(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(TOMBSTONE_PERIOD_DAYS * 86_400 * 1_000_000)
}

crate::table! {
    /// A reaction that was taken away, for whoever was not there: it is gone when its slot is filled again, or it is old.
    pub struct ReactionTombstone in "message_reaction_tombstones" visible Organization {
        key {
            /// The conversation.
            conversation_id: ConversationId,
            /// The message.
            number: u64,
            /// Whose.
            account_id: AccountId,
            /// Which slot.
            slot: u8,
        }
        columns {
            /// The conversation's organization.
            organization_id: OrganizationId,
            /// [`tombstone_period`] of when it was taken away.
            period: i64,
        }
        indexes ["conversation_id, position"]
        sets {
            /// Those of a period.
            ReactionTombstonesOf { conversation_id: ConversationId, period: i64 }
        }
    }
}

crate::table! {
    /// A message that was unpinned, for whoever was not there: it is gone when the message is pinned again, or it is old.
    pub struct PinTombstone in "message_pin_tombstones" visible Organization {
        key {
            /// The conversation.
            conversation_id: ConversationId,
            /// The message.
            number: u64,
        }
        columns {
            /// The conversation's organization.
            organization_id: OrganizationId,
            /// [`tombstone_period`] of when it was unpinned.
            period: i64,
        }
        indexes ["conversation_id, position"]
        sets {
            /// Those of a period.
            PinTombstonesOf { conversation_id: ConversationId, period: i64 }
        }
    }
}
