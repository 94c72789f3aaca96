//! What happens in a conversation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codes::codes;
use crate::event::events;
use crate::{
    AccountId, AccountRecipient, Blob, ConversationId, DeviceId, Digest, HpkeKey, MessageId, OrganizationId,
    RecipientId, Signature, VerifyKey, WorkspaceId,
};

use super::{ConversationTitle, MessageBody, Terms, WorkspaceTerm};

codes! {
    /// The two kinds of conversations.
    pub enum ConversationKind {
        /// Any number of members, who come and go.
        Group = 1, "GROUP";
        /// Two members, for ever; its id is derived from them.
        Direct = 2, "DIRECT";
    }
}

codes! {
    /// What a member may do in a conversation.
    pub enum ConversationRole {
        /// Manages members and settings, deletes messages of others.
        Admin = 1, "admin";
        /// Reads and writes.
        Member = 2, "member";
    }
}

codes! {
    /// What members see of what was before they joined.
    pub enum HistoryVisibility {
        /// Nothing: the server gives it to those who were there.
        Joined = 1, "joined";
        /// Everything, as far as they have the keys.
        All = 2, "all";
    }
}

codes! {
    /// How far a message has come to a device.
    pub enum DeliveryState {
        /// The server has it.
        Sent = 1, "sent";
        /// The device has it.
        Delivered = 2, "delivered";
        /// Its owner has read it there.
        Read = 3, "read";
    }
}

codes! {
    /// What a wrap is made for.
    pub enum RecipientKind {
        /// A device.
        Device = 1, "device";
        /// An account's recovery key.
        Recovery = 2, "recovery";
    }
}

codes! {
    /// How a generation's messages and wraps are encrypted.
    pub enum Suite {
        /// HPKE base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305 (RFC 9180); messages AES-256-SIV
        /// (RFC 5297).
        X25519Siv = 1, "x25519-chacha20poly1305-aes256siv";
    }
}

events! {
    /// Everything that happens in a conversation.
    pub enum ConversationEvent in Conversation as Conversation {
        /// See [`ConversationCreated`].
        Created(ConversationCreated) = "conversation.created", 1, sealed in ConversationTitle;
        /// See [`ConversationTitleChanged`].
        TitleChanged(ConversationTitleChanged) = "conversation.title_changed", 1, sealed in ConversationTitle;
        /// See [`HistoryVisibilityChanged`].
        HistoryVisibilityChanged(HistoryVisibilityChanged) = "conversation.history_visibility_changed", 1;
        /// See [`ConversationMemberJoined`].
        MemberJoined(ConversationMemberJoined) = "conversation.member_joined", 1;
        /// See [`ConversationMemberRoleChanged`].
        MemberRoleChanged(ConversationMemberRoleChanged) = "conversation.member_role_changed", 1;
        /// See [`ConversationMemberLeft`].
        MemberLeft(ConversationMemberLeft) = "conversation.member_left", 1;
        /// See [`RecipientAdded`].
        RecipientAdded(RecipientAdded) = "conversation.recipient_added", 1;
        /// See [`RecipientRemoved`].
        RecipientRemoved(RecipientRemoved) = "conversation.recipient_removed", 1;
        /// See [`GenerationCommitted`].
        GenerationCommitted(GenerationCommitted) = "conversation.generation_committed", 1;
        /// See [`WrapAdded`].
        WrapAdded(WrapAdded) = "conversation.wrap_added", 1;
        /// See [`WrapReported`].
        WrapReported(WrapReported) = "conversation.wrap_reported", 1;
        /// See [`MessageSent`].
        MessageSent(MessageSent) = "conversation.message_sent", 1, sealed in MessageBody;
        /// See [`MessageEdited`].
        MessageEdited(MessageEdited) = "conversation.message_edited", 1, sealed in MessageBody;
        /// See [`MessageDeleted`].
        MessageDeleted(MessageDeleted) = "conversation.message_deleted", 1;
        /// See [`ReactionSet`].
        ReactionSet(ReactionSet) = "conversation.reaction_set", 1, sealed in MessageBody;
        /// See [`ReactionCleared`].
        ReactionCleared(ReactionCleared) = "conversation.reaction_cleared", 1;
        /// See [`MessagePinned`].
        MessagePinned(MessagePinned) = "conversation.message_pinned", 1;
        /// See [`MessageUnpinned`].
        MessageUnpinned(MessageUnpinned) = "conversation.message_unpinned", 1;
        /// See [`ConversationDeleted`].
        Deleted(ConversationDeleted) = "conversation.deleted", 1;
        /// See [`ConversationReopened`].
        Reopened(ConversationReopened) = "conversation.reopened", 1;
    }
}

impl ConversationEvent {
    /// The conversation that it happened in.
    pub const fn conversation_id(&self) -> ConversationId {
        match self {
            Self::Created(event) => event.conversation_id,
            Self::TitleChanged(event) => event.conversation_id,
            Self::HistoryVisibilityChanged(event) => event.conversation_id,
            Self::MemberJoined(event) => event.conversation_id,
            Self::MemberRoleChanged(event) => event.conversation_id,
            Self::MemberLeft(event) => event.conversation_id,
            Self::RecipientAdded(event) => event.conversation_id,
            Self::RecipientRemoved(event) => event.conversation_id,
            Self::GenerationCommitted(event) => event.conversation_id,
            Self::WrapAdded(event) => event.conversation_id,
            Self::WrapReported(event) => event.conversation_id,
            Self::MessageSent(event) => event.conversation_id,
            Self::MessageEdited(event) => event.conversation_id,
            Self::MessageDeleted(event) => event.conversation_id,
            Self::ReactionSet(event) => event.conversation_id,
            Self::ReactionCleared(event) => event.conversation_id,
            Self::MessagePinned(event) => event.conversation_id,
            Self::MessageUnpinned(event) => event.conversation_id,
            Self::Deleted(event) => event.conversation_id,
            Self::Reopened(event) => event.conversation_id,
        }
    }
}

/// A conversation was opened. Its first members are the next events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationCreated {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Its workspace, if it lies in one.
    pub workspace_id: Option<WorkspaceId>,
    /// Which kind.
    pub kind: ConversationKind,
    /// Who opened it.
    pub creator: AccountId,
    /// Whether messages that are not end-to-end encrypted are taken (imported history, bots).
    pub allows_plaintext: bool,
    /// What members see of what was before they joined.
    pub history_visibility: HistoryVisibility,
}

/// The title is now the sealed one, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationTitleChanged {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Who changed it.
    pub changed_by: AccountId,
}

/// Members see more or less of what was before they joined from now on, whenever they did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryVisibilityChanged {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// What they see.
    pub history_visibility: HistoryVisibility,
    /// Who changed it.
    pub changed_by: AccountId,
}

/// Whom keys are wrapped for: the public keys of a device or a recovery key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recipient {
    /// Its id, chosen by the client: names it together with its account only.
    pub recipient_id: RecipientId,
    /// Device or recovery key.
    pub kind: RecipientKind,
    /// To wrap for it.
    pub hpke_key: HpkeKey,
    /// To verify what it signs; recovery keys sign nothing.
    pub verify_key: Option<VerifyKey>,
}

/// What was there as somebody joined, and whether they saw it then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Earlier {
    /// Number of the last message before; 0 for none.
    pub last_number: u64,
    /// The generation committed last before; 0 for none.
    pub generation: u32,
    /// What the conversation's members see of such.
    pub visibility: HistoryVisibility,
}

impl Earlier {
    /// A conversation in which nothing was said yet.
    pub const NOTHING: Earlier =
        Earlier { last_number: 0, generation: 0, visibility: HistoryVisibility::Joined };

    /// Messages up to this number are hidden from whoever joined after them; 0 for none.
    pub const fn hidden_up_to(&self) -> u64 {
        match self.visibility {
            HistoryVisibility::Joined => self.last_number,
            HistoryVisibility::All => 0,
        }
    }
}

/// Somebody became a member, with the recipients their account had at that moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationMemberJoined {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Who.
    pub account_id: AccountId,
    /// As what.
    pub role: ConversationRole,
    /// Who added them.
    pub added_by: AccountId,
    /// Their term as a member of the organization: the membership ends with it.
    pub organization_term: u64,
    /// Their term as a member of the workspace, if the conversation lies in one: the membership ends with it.
    pub workspace: Option<WorkspaceTerm>,
    /// What was there before.
    pub earlier: Earlier,
    /// The account's active recipients.
    pub recipients: Vec<Recipient>,
}

impl ConversationMemberJoined {
    /// What the membership rests on.
    pub const fn terms(&self) -> Terms {
        Terms { organization: self.organization_term, workspace: self.workspace }
    }
}

/// A member has another role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationMemberRoleChanged {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Whose.
    pub account_id: AccountId,
    /// The new role.
    pub role: ConversationRole,
}

/// Somebody left or was removed. Nothing can be sent until a new generation is committed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationMemberLeft {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Who is a member no more.
    pub account_id: AccountId,
    /// Who decided it: the same account for leaving, none for the platform (the account left the organization).
    pub removed_by: Option<AccountId>,
}

/// A member's account has another recipient; it waits for its wrap of the current generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecipientAdded {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Whose.
    pub account_id: AccountId,
    /// The recipient.
    pub recipient: Recipient,
}

/// A member's recipient is active no more. Nothing can be sent until a new generation is committed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecipientRemoved {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Whose.
    pub account_id: AccountId,
    /// The recipient.
    pub recipient_id: RecipientId,
}

/// A generation key wrapped for one recipient. Immutable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Wrap {
    /// For whose recipient.
    pub account_id: AccountId,
    /// For which of the account's recipients.
    pub recipient_id: RecipientId,
    /// HPKE encapsulated key, 32 bytes.
    pub encapsulated_key: HpkeKey,
    /// HPKE ciphertext of the 64-byte generation key: 80 bytes.
    pub ciphertext: Blob,
    /// The sending device's Ed25519 signature over the wrap (`crate::conversation::binding`).
    pub signature: Signature,
}

impl Wrap {
    /// For whom.
    pub const fn recipient(&self) -> AccountRecipient {
        AccountRecipient::new(self.account_id, self.recipient_id)
    }
}

/// A new generation of the conversation key is in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GenerationCommitted {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Number of the generation, from 1, contiguous.
    pub generation: u32,
    /// How it encrypts.
    pub suite: Suite,
    /// Whose device made it.
    pub account_id: AccountId,
    /// The device that made it.
    pub device_id: DeviceId,
    /// Hash of the membership that it was made for, chained to the generation before.
    pub transcript: Digest,
    /// The key, wrapped for exactly the active recipients, ascending by account and recipient.
    pub wraps: Vec<Wrap>,
}

/// A recipient that came later got its wrap of the current generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WrapAdded {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Which generation.
    pub generation: u32,
    /// Whose device made the wrap.
    pub account_id: AccountId,
    /// The device that made the wrap.
    pub device_id: DeviceId,
    /// The wrap.
    pub wrap: Wrap,
}

/// A recipient could not open its wrap; it waits for another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WrapReported {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Which generation.
    pub generation: u32,
    /// Whose device reports, and whose recipient it is.
    pub account_id: AccountId,
    /// The recipient that cannot open its wrap.
    pub recipient_id: RecipientId,
}

/// A message was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageSent {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The message, named by its sender.
    pub message_id: MessageId,
    /// Its place in the conversation, from 1, contiguous.
    pub number: u64,
    /// Who sent it.
    pub sender_id: AccountId,
    /// From which device.
    pub device_id: DeviceId,
    /// Under which generation; 0 when not encrypted.
    pub generation: u32,
    /// Whether the content is end-to-end encrypted.
    pub encrypted: bool,
    /// Number of the message that it answers.
    pub reply_to: Option<u64>,
}

/// A message has new content, from its sender.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageEdited {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The message.
    pub message_id: MessageId,
    /// Its number.
    pub number: u64,
    /// Its sender.
    pub sender_id: AccountId,
    /// From which device.
    pub device_id: DeviceId,
    /// Under which generation; 0 when not encrypted.
    pub generation: u32,
    /// Whether the new content is end-to-end encrypted.
    pub encrypted: bool,
}

/// A message was deleted for everyone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageDeleted {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Its number.
    pub number: u64,
    /// Who deleted it.
    pub deleted_by: AccountId,
}

/// A member's reaction slot on a message has new content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReactionSet {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The reaction's own id: part of the associated data, as a message's id is.
    pub reaction_id: MessageId,
    /// Number of the message reacted to.
    pub number: u64,
    /// Whose reaction.
    pub account_id: AccountId,
    /// From which device.
    pub device_id: DeviceId,
    /// Which of the member's slots, below [`crate::limits::REACTION_SLOTS_MAX`].
    pub slot: u8,
    /// Under which generation; 0 when not encrypted.
    pub generation: u32,
    /// Whether the content is end-to-end encrypted.
    pub encrypted: bool,
}

/// A member's reaction slot on a message is empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReactionCleared {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Number of the message.
    pub number: u64,
    /// Whose reaction.
    pub account_id: AccountId,
    /// Which slot.
    pub slot: u8,
}

/// A message was pinned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessagePinned {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Its number.
    pub number: u64,
    /// Who pinned it.
    pub pinned_by: AccountId,
}

/// A message is pinned no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageUnpinned {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Its number.
    pub number: u64,
    /// Who unpinned it.
    pub unpinned_by: AccountId,
}

/// A direct conversation that was deleted begins anew. Its two members are the next events; nothing can be sent until a new
/// generation is committed, and what was said before stays deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationReopened {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Who opened it again.
    pub reopened_by: AccountId,
    /// Messages up to and including this number are gone.
    pub deleted_up_to: u64,
}

/// The conversation was deleted: it takes no commands any more, but a direct one can be opened again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationDeleted {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Who deleted it.
    pub deleted_by: AccountId,
}
