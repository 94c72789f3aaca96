//! What goes over the wire, as far as this client reads it. Members that it does not know are ignored.

mod sync;

pub use sync::*;

use domain::conversation::{
    Cipher, ConversationKind, ConversationRole, HistoryVisibility, Recipient, Suite, Wrap,
};
use domain::organization::OrganizationRole;
use domain::{
    AccountId, AccountRecipient, Blob, ConversationId, DeviceId, Digest, HpkeKey, InvitationId, MessageId,
    OrganizationId, RecipientId, SessionId, Signature, Timestamp, VerifyKey, WorkspaceId,
};
use serde::{Deserialize, Serialize};

use crate::http::Position;

/// One page of a list.
#[derive(Clone, Debug, Deserialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last.
    pub next_cursor: Option<String>,
}

/// Who registers.
#[derive(Clone, Serialize)]
pub struct Registration {
    /// E-mail address.
    pub email: String,
    /// Password: the server sees it, so it must not be the passphrase of the keys.
    pub password: String,
    /// Name to show.
    pub display_name: String,
    /// BCP 47 language tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registration(..)")
    }
}

/// What a login or refresh answers.
#[derive(Clone, Deserialize)]
pub struct Tokens {
    /// The account.
    pub account_id: AccountId,
    /// The session.
    pub session_id: SessionId,
    /// For requests.
    pub access_token: String,
    /// Seconds that the access token holds.
    pub expires_in: u64,
    /// For the next access token, once.
    pub refresh_token: String,
    /// Where the session stands in the log.
    pub position: Position,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.session_id)
    }
}

/// An organization that was created or joined.
#[derive(Clone, Debug, Deserialize)]
pub struct CreatedOrganization {
    /// Its id.
    pub organization_id: OrganizationId,
}

/// An organization, as its members see it.
#[derive(Clone, Debug, Deserialize)]
pub struct Organization {
    /// Its id.
    pub organization_id: OrganizationId,
    /// Its name; none when erased.
    pub name: Option<String>,
}

/// A member of an organization.
#[derive(Clone, Debug, Deserialize)]
pub struct OrganizationMember {
    /// Who.
    pub account_id: AccountId,
    /// Name to show; none when erased.
    pub display_name: Option<String>,
    /// As what.
    pub role: OrganizationRole,
}

/// An invitation that was made.
#[derive(Clone, Deserialize)]
pub struct Invitation {
    /// Its id.
    pub invitation_id: InvitationId,
    /// Lets people in.
    pub token: String,
}

impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Invitation({})", self.invitation_id)
    }
}

/// A workspace that was created.
#[derive(Clone, Debug, Deserialize)]
pub struct CreatedWorkspace {
    /// Its id.
    pub workspace_id: WorkspaceId,
}

/// A workspace.
#[derive(Clone, Debug, Deserialize)]
pub struct Workspace {
    /// Its id.
    pub workspace_id: WorkspaceId,
    /// Its name; none when erased.
    pub name: Option<String>,
}

/// A group to open.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewGroup {
    /// Its workspace, if it lies in one.
    pub workspace_id: Option<WorkspaceId>,
    /// Name to show.
    pub title: Option<String>,
    /// What it is about.
    pub topic: Option<String>,
    /// Whether messages in clear are taken.
    pub allows_plaintext: bool,
    /// What members see of what was before they joined; nothing, if it is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_visibility: Option<HistoryVisibility>,
    /// The first members beside whoever opens it.
    pub members: Vec<AccountId>,
}

/// A conversation that was opened.
#[derive(Clone, Debug, Deserialize)]
pub struct OpenedConversation {
    /// Its id.
    pub conversation_id: ConversationId,
}

/// A conversation.
#[derive(Clone, Debug, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub conversation_id: ConversationId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Its workspace, if it lies in one.
    pub workspace_id: Option<WorkspaceId>,
    /// Which kind.
    pub kind: ConversationKind,
    /// Name to show; none when there is none, or erased.
    pub title: Option<String>,
    /// What it is about; none when nothing is told, or erased.
    pub topic: Option<String>,
    /// Whether messages in clear are taken.
    pub allows_plaintext: bool,
    /// What members see of what was before they joined.
    pub history_visibility: HistoryVisibility,
    /// Messages up to this number are hidden from its reader, or gone; 0 for none.
    pub hidden_up_to: u64,
    /// Members there are.
    pub members: u32,
    /// One's own role.
    pub role: ConversationRole,
    /// Number of the last message; 0 for none.
    pub last_number: u64,
    /// Up to where its reader has read, on any device.
    pub read_up_to: u64,
}

/// Conversations by their last activity.
#[derive(Clone, Debug, Deserialize)]
pub struct Activity {
    /// The latest first; behind a `poll_cursor` the earliest.
    pub items: Vec<Conversation>,
    /// Where the next page begins, going back.
    pub next_cursor: Option<String>,
    /// What happens later is asked for with it.
    pub poll_cursor: Option<String>,
}

/// A member of a conversation.
#[derive(Clone, Debug, Deserialize)]
pub struct ConversationMember {
    /// Who.
    pub account_id: AccountId,
    /// Name to show; none when erased.
    pub display_name: Option<String>,
    /// As what.
    pub role: ConversationRole,
}

/// A recipient and whose it is.
#[derive(Clone, Debug, Deserialize)]
pub struct OwnedRecipient {
    /// Whose.
    pub account_id: AccountId,
    /// The recipient.
    #[serde(flatten)]
    pub recipient: Recipient,
    /// Whether it waits for its wrap of the current generation.
    pub waiting: bool,
}

impl OwnedRecipient {
    /// The recipient with its account: what names it among others'.
    pub fn account_recipient(&self) -> AccountRecipient {
        AccountRecipient::new(self.account_id, self.recipient.recipient_id)
    }
}

/// The recipients of a conversation's keys and the generation in force.
#[derive(Clone, Debug, Deserialize)]
pub struct Roster {
    /// The generation committed last; 0 for none.
    pub generation: u32,
    /// How it encrypts.
    pub suite: Option<Suite>,
    /// Whether a new generation has to be committed before anything can be sent.
    pub commit_required: bool,
    /// Its membership transcript; zeros before the first.
    pub transcript: Digest,
    /// The active recipients.
    pub recipients: Vec<OwnedRecipient>,
}

/// A wrap, and what it is bound to.
#[derive(Clone, Debug, Deserialize)]
pub struct ToldWrap {
    /// The generation.
    pub generation: u32,
    /// How it encrypts.
    pub suite: Suite,
    /// Its membership transcript.
    pub transcript: Digest,
    /// Whose device made the wrap.
    pub sender_id: AccountId,
    /// The device that made the wrap.
    pub device_id: DeviceId,
    /// The wrap.
    #[serde(flatten)]
    pub wrap: Wrap,
}

/// One's own identity.
#[derive(Clone, Debug, Deserialize)]
pub struct OwnIdentity {
    /// The vault, encrypted under a passphrase; none when erased.
    pub encrypted_private_key: Option<Blob>,
}

/// What an account tells of itself.
#[derive(Clone, Debug, Deserialize)]
pub struct Profile {
    /// The account.
    pub account_id: AccountId,
    /// Name to show; none when erased.
    pub display_name: Option<String>,
    /// BCP 47 language tag.
    pub locale: Option<String>,
}

/// Somebody in an organization who may be meant.
#[derive(Clone, Debug, Deserialize)]
pub struct FoundPerson {
    /// Who.
    pub account_id: AccountId,
    /// Their name.
    pub display_name: String,
    /// As what they are there.
    pub role: OrganizationRole,
}

/// People in an organization who may be meant.
#[derive(Clone, Debug, Deserialize)]
pub struct FoundPeople {
    /// In the order of the words of their names.
    pub items: Vec<FoundPerson>,
    /// Whether there are more.
    pub has_more: bool,
    /// Whether all members were looked at.
    pub is_complete: bool,
}

/// Public keys of one of several accounts.
#[derive(Clone, Debug, Deserialize)]
pub struct OneOfManyKeys {
    /// The keys.
    #[serde(flatten)]
    pub keys: AccountKeys,
    /// Whether the account has more devices than are listed.
    pub has_more_devices: bool,
}

/// An account's public keys.
#[derive(Clone, Debug, Deserialize)]
pub struct AccountKeys {
    /// The account.
    pub account_id: AccountId,
    /// Its identity key.
    pub identity_key: VerifyKey,
    /// Names its recovery key.
    pub recovery_id: RecipientId,
    /// Its recovery key.
    pub recovery_key: HpkeKey,
    /// The identity key's signature over it.
    pub recovery_certificate: Signature,
    /// Its devices, also the revoked ones.
    pub devices: Vec<DeviceKeys>,
}

/// A device's public keys.
#[derive(Clone, Debug, Deserialize)]
pub struct DeviceKeys {
    /// The device.
    pub device_id: DeviceId,
    /// To wrap for it.
    pub hpke_key: HpkeKey,
    /// To verify what it signs.
    pub verify_key: VerifyKey,
    /// The identity key's signature.
    pub certificate: Signature,
    /// Whether it was revoked.
    #[serde(default)]
    pub revoked: bool,
}

/// One of one's own devices.
#[derive(Clone, Debug, Deserialize)]
pub struct Device {
    /// The device.
    pub device_id: DeviceId,
    /// Its name; none when erased.
    pub name: Option<String>,
    /// Since when.
    pub enrolled_at: Timestamp,
    /// Since when not any more.
    pub revoked_at: Option<Timestamp>,
}

/// A message that was sent.
#[derive(Clone, Debug, Deserialize)]
pub struct SentMessage {
    /// Its id.
    pub message_id: MessageId,
    /// Its place in the conversation.
    pub number: u64,
}

/// A message as the server shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct Message {
    /// Its place in the conversation.
    pub number: u64,
    /// Its id.
    pub message_id: MessageId,
    /// Who sent it.
    pub sender_id: AccountId,
    /// From which device: its content, which may be an edit's.
    pub device_id: DeviceId,
    /// Under which generation; 0 in clear.
    pub generation: u32,
    /// Whether the content is encrypted.
    pub encrypted: bool,
    /// Number of the message that it answers.
    pub reply_to: Option<u64>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When its content was last replaced.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted for everyone.
    pub deleted_at: Option<Timestamp>,
    /// The content; none when deleted or erased.
    pub content: Option<Blob>,
    /// What goes with a ciphertext.
    pub cipher: Option<Cipher>,
    /// Whether the content was erased.
    pub erased: bool,
    /// Whether it is pinned.
    pub pinned: bool,
}

/// A reaction as the server shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct Reaction {
    /// Its id.
    pub reaction_id: MessageId,
    /// Whose.
    pub account_id: AccountId,
    /// From which device.
    pub device_id: DeviceId,
    /// Which slot.
    pub slot: u8,
    /// Under which generation; 0 in clear.
    pub generation: u32,
    /// Whether the content is encrypted.
    pub encrypted: bool,
    /// The content; none when erased.
    pub content: Option<Blob>,
    /// What goes with a ciphertext.
    pub cipher: Option<Cipher>,
}

/// A reaction with the message that it is on.
#[derive(Clone, Debug, Deserialize)]
pub struct MessageReaction {
    /// Number of the message.
    pub number: u64,
    /// The reaction.
    #[serde(flatten)]
    pub reaction: Reaction,
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is on the server.
    Sent,
    /// The device has it.
    Delivered,
    /// Its owner has read it.
    Read,
}

/// How far a message has come to one device.
#[derive(Clone, Debug, Deserialize)]
pub struct Delivery {
    /// Whose device.
    pub account_id: AccountId,
    /// The device.
    pub device_id: DeviceId,
    /// How far.
    pub state: DeliveryState,
    /// When it got there.
    pub at: Timestamp,
}

/// How far a member of a conversation has come.
#[derive(Clone, Debug, Deserialize)]
pub struct Receipt {
    /// Who.
    pub account_id: AccountId,
    /// One of their devices has got the messages up to this number.
    pub delivered_up_to: u64,
    /// They have read the messages up to this number.
    pub read_up_to: u64,
}

/// A pinned message.
#[derive(Clone, Debug, Deserialize)]
pub struct Pin {
    /// Its number.
    pub number: u64,
    /// Who pinned it.
    pub pinned_by: AccountId,
}
