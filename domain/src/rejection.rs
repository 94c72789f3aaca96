//! Why a command is refused: one variant a rule, each with a stable code that clients may rely on.

use crate::ids::{AccountId, ConversationId};
use crate::owned::AccountRecipient;

/// What a caller can do about a rejection; the edge turns it into a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectionKind {
    /// The command itself is malformed: send another.
    Invalid,
    /// The one who asks may not.
    Forbidden,
    /// There is no such thing, or none that the one who asks may know of.
    NotFound,
    /// The state is another than the caller believed: read it, then decide again.
    Conflict,
    /// A limit is reached.
    LimitReached,
}

macro_rules! rejections {
    ($($(#[$doc:meta])* $variant:ident $({ $($(#[$fdoc:meta])* $field:ident: $type:ty),+ })? = $kind:ident, $code:literal, $text:literal;)+) => {
        /// Why a command is refused.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Rejection {
            $($(#[$doc])* #[error($text)] $variant $({ $($(#[$fdoc])* $field: $type),+ })?,)+
        }

        impl Rejection {
            /// The stable code.
            pub fn code(&self) -> &'static str {
                match self { $(Rejection::$variant $({ $($field: _),+ })? => $code,)+ }
            }

            /// What the caller can do about it.
            pub fn kind(&self) -> RejectionKind {
                match self { $(Rejection::$variant $({ $($field: _),+ })? => RejectionKind::$kind,)+ }
            }

            /// Every code, for the documentation and its tests.
            pub const CODES: &'static [&'static str] = &[$($code,)+];

            /// The kind of every code.
            pub const KINDS: &'static [(&'static str, RejectionKind)] = &[$(($code, RejectionKind::$kind),)+];
        }
    };
}

rejections! {
    /// Only an account can do this.
    AccountRequired = Forbidden, "account_required", "this needs a logged-in account";
    /// Only a session bound to a device can do this.
    DeviceRequired = Forbidden, "device_required", "this needs a session that is bound to a device: enroll one first";
    /// Only the platform itself can do this.
    PlatformOnly = Forbidden, "platform_only", "only the platform itself does this";
    /// A field breaks its rule.
    InvalidField {
        /// Which field, as the API names it.
        field: &'static str,
        /// The rule.
        reason: &'static str
    } = Invalid, "invalid_field", "{field} {reason}";

    /// The account does not exist.
    AccountNotFound = NotFound, "account_not_found", "there is no such account";
    /// The token is unknown, used or expired.
    TokenInvalid = Invalid, "token_invalid", "the token is unknown, used or expired: ask for a new one";

    /// The session does not exist.
    SessionNotFound = NotFound, "session_not_found", "there is no such session";
    /// The session exists already.
    SessionExists = Conflict, "session_exists", "the session exists already";
    /// The session ended.
    SessionEnded = Forbidden, "session_ended", "the session has ended: log in again";
    /// The session is bound to another device.
    SessionBound = Conflict, "session_bound", "the session is bound to another device already: log in again";

    /// The identity key is published already.
    IdentityExists = Conflict, "identity_exists", "the account's identity key is published already";
    /// There is no identity key yet.
    IdentityMissing = Conflict, "identity_missing", "publish the account's identity key first";
    /// A certificate's signature is not the identity key's.
    CertificateInvalid = Invalid, "certificate_invalid", "the certificate is not signed by the account's identity key";
    /// The device does not exist.
    DeviceNotFound = NotFound, "device_not_found", "there is no such device";
    /// The device exists already.
    DeviceExists = Conflict, "device_exists", "the device exists already";
    /// The device was revoked.
    DeviceRevoked = Forbidden, "device_revoked", "the device was revoked: enroll a new one";
    /// Too many devices.
    DeviceLimit {
        /// The limit.
        limit: usize
    } = LimitReached, "device_limit", "an account has at most {limit} active devices: revoke one first";

    /// The organization does not exist, or the caller may not know of it.
    OrganizationNotFound = NotFound, "organization_not_found", "there is no such organization";
    /// The organization exists already.
    OrganizationExists = Conflict, "organization_exists", "the organization exists already";
    /// The caller's role does not allow it.
    RoleInsufficient = Forbidden, "role_insufficient", "your role does not allow this";
    /// The account is no member of the organization.
    NotOrganizationMember {
        /// Who.
        account_id: AccountId
    } = NotFound, "not_organization_member", "account {account_id} is no member of the organization";
    /// The account is no member of the workspace.
    NotWorkspaceMember {
        /// Who.
        account_id: AccountId
    } = NotFound, "not_workspace_member", "account {account_id} is no member of the workspace";
    /// There is nobody of that id among the members.
    MemberNotFound = NotFound, "member_not_found", "there is no such member";
    /// The account is a member already.
    MemberExists = Conflict, "member_exists", "the account is a member already";
    /// The last owner cannot go or step down.
    LastOwner = Conflict, "last_owner", "an organization keeps at least one owner: appoint another first";
    /// The last admin cannot go or step down.
    LastAdmin = Conflict, "last_admin", "at least one admin has to stay: appoint another first";
    /// The invitation does not exist, was withdrawn, used up or expired, or the secret is another.
    InvitationInvalid = NotFound, "invitation_invalid", "the invitation is unknown, withdrawn, used up or expired";
    /// Too many members.
    MemberLimit {
        /// The limit.
        limit: usize
    } = LimitReached, "member_limit", "there can be at most {limit} members";
    /// Too many invitations.
    InvitationLimit {
        /// The limit.
        limit: usize
    } = LimitReached, "invitation_limit", "there can be at most {limit} open invitations: withdraw some first";

    /// The workspace does not exist, or the caller may not know of it.
    WorkspaceNotFound = NotFound, "workspace_not_found", "there is no such workspace";
    /// The workspace exists already.
    WorkspaceExists = Conflict, "workspace_exists", "the workspace exists already";
    /// The workspace is archived.
    WorkspaceArchived = Conflict, "workspace_archived", "the workspace is archived";

    /// The conversation does not exist, or the caller may not know of it.
    ConversationNotFound = NotFound, "conversation_not_found", "there is no such conversation";
    /// The conversation exists already.
    ConversationExists {
        /// Which.
        conversation_id: ConversationId
    } = Conflict, "conversation_exists", "conversation {conversation_id} exists already";
    /// The conversation was deleted.
    ConversationDeleted = Conflict, "conversation_deleted", "the conversation was deleted";
    /// A direct conversation has two members for ever.
    DirectIsFixed = Conflict, "direct_is_fixed", "a direct conversation keeps its two members";
    /// The direct conversation's id is not the one derived from its members.
    DirectIdMismatch = Invalid, "direct_id_mismatch", "a direct conversation's id is derived from its organization and members";
    /// The sending device is not an active recipient of the conversation (yet, or any more).
    DeviceNotInConversation = Forbidden, "device_not_in_conversation", "this device is not an active recipient of the conversation";
    /// The recipient is none of the conversation's.
    RecipientNotFound = NotFound, "recipient_not_found", "there is no such recipient in the conversation";
    /// Too many recipients.
    RecipientLimit {
        /// The limit.
        limit: usize
    } = LimitReached, "recipient_limit", "a conversation has at most {limit} devices and recovery keys";
    /// The generation is not the current one, or none is in force since somebody left.
    StaleGeneration {
        /// The generation committed last; 0 for none.
        current: u32,
        /// Whether a new generation has to be committed before anything can be sent.
        commit_required: bool
    } = Conflict, "stale_generation", "the current generation is {current} (new one required: {commit_required})";
    /// Another commit of that number came first, or the number is not the next.
    GenerationConflict {
        /// The generation committed last; 0 for none.
        current: u32
    } = Conflict, "generation_conflict", "the next generation is the one after {current}: read it and try again";
    /// The wraps are not for exactly the active recipients.
    WrapsMismatch {
        /// Active recipients without a wrap.
        missing_recipients: Vec<AccountRecipient>,
        /// Wraps for others, or a second one.
        extra_recipients: Vec<AccountRecipient>
    } = Conflict, "wraps_mismatch", "a generation needs one wrap for exactly each active recipient";
    /// The transcript is not the hash of the membership as the server knows it.
    TranscriptMismatch = Conflict, "transcript_mismatch", "the membership is another than the commit was made for: read it again";
    /// A wrap is malformed or not signed by the sending device.
    WrapInvalid {
        /// For whom.
        recipient: AccountRecipient
    } = Invalid, "wrap_invalid", "the wrap for {recipient} is malformed or not signed by this device";
    /// The recipient has its wrap already; wraps are immutable.
    WrapExists = Conflict, "wrap_exists", "the recipient has its wrap of this generation already";
    /// The message does not exist.
    MessageNotFound = NotFound, "message_not_found", "there is no such message in the conversation";
    /// The message was deleted.
    MessageDeleted = Conflict, "message_deleted", "the message was deleted";
    /// Somebody else's message.
    NotSender = Forbidden, "not_sender", "only its sender can do this to a message";
    /// Messages in clear are not taken here.
    PlaintextRefused = Forbidden, "plaintext_refused", "this conversation takes only end-to-end-encrypted messages";
    /// Too many pins.
    PinLimit {
        /// The limit.
        limit: usize
    } = LimitReached, "pin_limit", "at most {limit} messages can be pinned: unpin one first";
    /// There is nothing parked at that position.
    ParkedStreamUnknown = NotFound, "parked_stream_unknown", "there is no such parked stream";
}
