//! Tables of the conversations.

use domain::conversation::{ConversationKind, ConversationRole, HistoryVisibility, RecipientKind, Suite};
use domain::{
    AccountId, Blob, ConversationId, DeviceId, Digest, HpkeKey, OrganizationId, RecipientId, Signature,
    Timestamp, VerifyKey, WorkspaceId,
};
use eventstore_schema::{Position, SealedCell};

crate::table! {
    /// A conversation.
    pub struct Conversation in "conversations" visible Organization {
        key {
            /// Its id.
            conversation_id: ConversationId,
        }
        columns {
            /// Its organization.
            organization_id: OrganizationId,
            /// Its workspace, if it lies in one.
            workspace_id: Option<WorkspaceId>,
            /// Which kind.
            kind: ConversationKind,
            /// Who opened it.
            creator: AccountId,
            /// [`domain::conversation::ConversationTitle`], sealed.
            title: SealedCell,
            /// Whether messages in clear are taken.
            allows_plaintext: bool,
            /// Members there are.
            members: u32,
            /// The generation committed last; 0 for none.
            generation: u32,
            /// Whether a new generation has to be committed before anything can be sent.
            commit_required: bool,
            /// When it was opened.
            created_at: Timestamp,
            /// When it was deleted.
            deleted_at: Option<Timestamp>,
        }
        indexes ["workspace_id, conversation_id"]
    }
}

crate::table! {
    /// Somebody's membership in a conversation; it stays when they leave.
    pub struct ConversationMember in "conversation_members" visible OrganizationOrAccount {
        key {
            /// The conversation.
            conversation_id: ConversationId,
            /// Who.
            account_id: AccountId,
        }
        columns {
            /// The conversation's organization.
            organization_id: OrganizationId,
            /// As what.
            role: ConversationRole,
            /// Who added them, last.
            added_by: AccountId,
            /// Their term in the organization, which the membership ends with.
            organization_term: u64,
            /// The workspace that the conversation lies in.
            workspace_id: Option<WorkspaceId>,
            /// Their term in the workspace, which the membership ends with.
            workspace_term: Option<u64>,
            /// Since when, last.
            joined_at: Timestamp,
            /// Position of the event by which they joined, last.
            joined_position: Position,
            /// Number of the last message before they joined, last; 0 for none.
            earlier_number: u64,
            /// The generation committed last before they joined, last; 0 for none.
            earlier_generation: u32,
            /// Whether they see what was before: the setting of the conversation, the same for all.
            history_visibility: HistoryVisibility,
            /// When they left; none for members.
            left_at: Option<Timestamp>,
            /// Position of the event by which they left.
            left_position: Option<Position>,
            /// Who decided that they leave; none for the platform.
            removed_by: Option<AccountId>,
            /// Position of the event by which they joined, left or had another role, last: no other row's of the conversation.
            changed_position: Position,
        }
        indexes ["account_id, conversation_id", "conversation_id, changed_position"]
        sets {
            /// All who are or were members.
            MembersIn { conversation_id: ConversationId }
        }
    }
}

crate::table! {
    /// Whom a conversation's keys are wrapped for.
    pub struct ConversationRecipient in "conversation_recipients" visible Organization {
        key {
            /// The conversation.
            conversation_id: ConversationId,
            /// Whose.
            account_id: AccountId,
            /// The device or recovery key.
            recipient_id: RecipientId,
        }
        columns {
            /// The conversation's organization.
            organization_id: OrganizationId,
            /// Device or recovery key.
            kind: RecipientKind,
            /// To wrap for it.
            hpke_key: HpkeKey,
            /// To verify what it signs.
            verify_key: Option<VerifyKey>,
            /// Whether keys are wrapped for it now.
            active: bool,
            /// Whether it has no wrap of the current generation yet.
            waiting: bool,
            /// Since when, last.
            added_at: Timestamp,
        }
        sets {
            /// All recipients of a member.
            RecipientsOf { conversation_id: ConversationId, account_id: AccountId }
            /// All recipients there are or were.
            RecipientsIn { conversation_id: ConversationId }
        }
    }
}

crate::table! {
    /// A generation of a conversation's key.
    pub struct EncryptionKey in "conversation_encryption_keys" visible Organization {
        key {
            /// The conversation.
            conversation_id: ConversationId,
            /// Number of the generation, from 1.
            generation: u32,
        }
        columns {
            /// The conversation's organization.
            organization_id: OrganizationId,
            /// How it encrypts.
            suite: Suite,
            /// Whose device made it.
            account_id: AccountId,
            /// The device that made it.
            device_id: DeviceId,
            /// Hash of the membership that it was made for.
            transcript: Digest,
            /// When it was committed.
            committed_at: Timestamp,
        }
    }
}

crate::table! {
    /// A generation's key wrapped for one recipient.
    pub struct MemberKeyWrap in "member_key_wraps" visible Organization {
        key {
            /// The conversation.
            conversation_id: ConversationId,
            /// Which generation.
            generation: u32,
            /// For whose recipient.
            account_id: AccountId,
            /// For which of the account's recipients.
            recipient_id: RecipientId,
        }
        columns {
            /// The conversation's organization.
            organization_id: OrganizationId,
            /// Whose device made the wrap.
            sender_id: AccountId,
            /// The device that made the wrap.
            device_id: DeviceId,
            /// HPKE encapsulated key.
            encapsulated_key: HpkeKey,
            /// HPKE ciphertext.
            ciphertext: Blob,
            /// The sending device's signature.
            signature: Signature,
            /// When it was made.
            added_at: Timestamp,
            /// When its recipient reported that it cannot be opened.
            reported_at: Option<Timestamp>,
        }
        indexes ["account_id, conversation_id, generation, recipient_id"]
    }
}
