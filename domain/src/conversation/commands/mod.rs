//! What can be asked of a conversation.

use crate::organization::OrganizationRole;
use crate::{AccountId, ConversationId, Digest, MessageId, OrganizationId, RecipientId, WorkspaceId};

use super::{ConversationKind, ConversationRole, ConversationTitle, MessageBody, Recipient, Suite, Wrap};

/// A command to a conversation.
#[derive(Clone, Debug)]
pub enum ConversationCommand {
    /// See [`CreateConversation`].
    Create(CreateConversation),
    /// See [`ChangeTitle`].
    ChangeTitle(ChangeTitle),
    /// See [`AddMember`].
    AddMember(AddMember),
    /// See [`ChangeRole`].
    ChangeRole(ChangeRole),
    /// See [`RemoveMember`].
    RemoveMember(RemoveMember),
    /// See [`AddRecipient`].
    AddRecipient(AddRecipient),
    /// See [`RemoveRecipient`].
    RemoveRecipient(RemoveRecipient),
    /// See [`CommitGeneration`].
    CommitGeneration(CommitGeneration),
    /// See [`AddWrap`].
    AddWrap(AddWrap),
    /// See [`ReportWrap`].
    ReportWrap(ReportWrap),
    /// See [`SendMessage`].
    SendMessage(SendMessage),
    /// See [`EditMessage`].
    EditMessage(EditMessage),
    /// See [`DeleteMessage`].
    DeleteMessage(DeleteMessage),
    /// See [`SetReaction`].
    SetReaction(SetReaction),
    /// See [`ClearReaction`].
    ClearReaction(ClearReaction),
    /// See [`PinMessage`].
    PinMessage(PinMessage),
    /// See [`UnpinMessage`].
    UnpinMessage(UnpinMessage),
    /// See [`RecordReceipt`].
    RecordReceipt(RecordReceipt),
    /// See [`DeleteConversation`].
    Delete(DeleteConversation),
}

/// A member to be: facts that the caller read from the account's and the organization's streams just before.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The account.
    pub account_id: AccountId,
    /// Its role in the organization; `None` says that it is no member.
    pub organization_role: Option<OrganizationRole>,
    /// Its active recipients.
    pub recipients: Vec<Recipient>,
}

/// Opens a conversation. Its creator becomes an admin, the others members. For a direct conversation the id must be
/// `direct_conversation_id` of creator and the one other member.
#[derive(Clone, Debug)]
pub struct CreateConversation {
    /// The new conversation.
    pub conversation_id: ConversationId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Its workspace, if any (the caller has verified that the creator is a member of it).
    pub workspace_id: Option<WorkspaceId>,
    /// Which kind.
    pub kind: ConversationKind,
    /// Its title.
    pub title: ConversationTitle,
    /// Whether messages in clear are taken.
    pub allows_plaintext: bool,
    /// The creator (whoever gives the command).
    pub creator: Candidate,
    /// The other first members.
    pub members: Vec<Candidate>,
}

/// Replaces the title.
#[derive(Clone, Debug)]
pub struct ChangeTitle {
    /// The new one.
    pub title: ConversationTitle,
}

/// Adds a member.
#[derive(Clone, Debug)]
pub struct AddMember {
    /// Who.
    pub member: Candidate,
    /// As what.
    pub role: ConversationRole,
}

/// Gives a member another role.
#[derive(Clone, Debug)]
pub struct ChangeRole {
    /// The member.
    pub account_id: AccountId,
    /// The role.
    pub role: ConversationRole,
}

/// Removes a member, or oneself. The platform itself may, when the account left the organization.
#[derive(Clone, Debug)]
pub struct RemoveMember {
    /// The member.
    pub account_id: AccountId,
}

/// Brings in a recipient that a member's account has got since. Platform only.
#[derive(Clone, Debug)]
pub struct AddRecipient {
    /// The member.
    pub account_id: AccountId,
    /// The recipient.
    pub recipient: Recipient,
}

/// Takes out a recipient that a member's account has no more. Platform only.
#[derive(Clone, Debug)]
pub struct RemoveRecipient {
    /// The member.
    pub account_id: AccountId,
    /// The recipient.
    pub recipient_id: RecipientId,
}

/// Commits a new generation; the first commit of a number wins.
#[derive(Clone, Debug)]
pub struct CommitGeneration {
    /// Its number: the current one plus one.
    pub generation: u32,
    /// How it encrypts.
    pub suite: Suite,
    /// Hash of the membership that the client made it for; must be the server's.
    pub transcript: Digest,
    /// One wrap for exactly each active recipient.
    pub wraps: Vec<Wrap>,
}

/// Gives a waiting recipient its wrap of the current generation.
#[derive(Clone, Debug)]
pub struct AddWrap {
    /// Which generation: the current one.
    pub generation: u32,
    /// The wrap.
    pub wrap: Wrap,
}

/// Reports that the device's wrap (or its account's recovery wrap) of the current generation cannot be opened.
#[derive(Clone, Debug)]
pub struct ReportWrap {
    /// Which generation: the current one.
    pub generation: u32,
    /// The recipient.
    pub recipient_id: RecipientId,
}

/// Sends a message. `body.cipher` is there exactly when the message is encrypted.
#[derive(Clone, Debug)]
pub struct SendMessage {
    /// The message.
    pub message_id: MessageId,
    /// The generation that it is encrypted under; 0 when in clear.
    pub generation: u32,
    /// Number of the message that it answers.
    pub reply_to: Option<u64>,
    /// Its content.
    pub body: MessageBody,
}

/// Replaces a message's content; its sender only.
#[derive(Clone, Debug)]
pub struct EditMessage {
    /// Its number.
    pub number: u64,
    /// Its id, as sent.
    pub message_id: MessageId,
    /// The generation that the new content is encrypted under; 0 when in clear.
    pub generation: u32,
    /// The new content.
    pub body: MessageBody,
}

/// Deletes a message for everyone; its sender or an admin.
#[derive(Clone, Debug)]
pub struct DeleteMessage {
    /// Its number.
    pub number: u64,
}

/// Fills a reaction slot of the member on a message.
#[derive(Clone, Debug)]
pub struct SetReaction {
    /// Names the reaction.
    pub reaction_id: MessageId,
    /// The message.
    pub number: u64,
    /// Which slot.
    pub slot: u8,
    /// The generation that the content is encrypted under; 0 when in clear.
    pub generation: u32,
    /// The content.
    pub body: MessageBody,
}

/// Empties a reaction slot of the member on a message.
#[derive(Clone, Debug)]
pub struct ClearReaction {
    /// The message.
    pub number: u64,
    /// Which slot.
    pub slot: u8,
}

/// Pins a message.
#[derive(Clone, Debug)]
pub struct PinMessage {
    /// Its number.
    pub number: u64,
}

/// Unpins a message.
#[derive(Clone, Debug)]
pub struct UnpinMessage {
    /// Its number.
    pub number: u64,
}

/// Records what the device has got and its owner has read. Lower numbers than recorded change nothing.
#[derive(Clone, Debug)]
pub struct RecordReceipt {
    /// Delivered up to and including.
    pub delivered_up_to: u64,
    /// Read up to and including.
    pub read_up_to: u64,
}

/// Deletes the conversation; an admin, or either member of a direct one.
#[derive(Clone, Debug)]
pub struct DeleteConversation {}
