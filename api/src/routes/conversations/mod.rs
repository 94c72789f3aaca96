//! Conversations, their members and generations.

use domain::conversation::Wrap;
use domain::{AccountId, Blob, ConversationId, HpkeKey, RecipientId, Signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod add_member;
pub mod add_wrap;
pub mod change_member_role;
pub mod change_title;
pub mod commit_generation;
pub mod create_group;
pub mod delete_conversation;
pub mod get_recipients;
pub mod open_direct;
pub mod remove_member;
pub mod report_wrap;

/// Names a conversation.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct ConversationPath {
    /// The conversation.
    pub conversation_id: ConversationId,
}

/// Names a member of a conversation.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct ConversationMemberPath {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The member.
    pub account_id: AccountId,
}

/// A conversation that was opened.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OpenedConversation {
    /// Its id.
    pub conversation_id: ConversationId,
}

/// A generation key wrapped for one recipient.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrapBody {
    /// For whom.
    pub recipient_id: RecipientId,
    /// HPKE encapsulated key.
    pub encapsulated_key: HpkeKey,
    /// HPKE ciphertext.
    pub ciphertext: Blob,
    /// The sending device's signature over the wrap.
    pub signature: Signature,
}

impl From<WrapBody> for Wrap {
    fn from(wrap: WrapBody) -> Self {
        let WrapBody { recipient_id, encapsulated_key, ciphertext, signature } = wrap;
        Self { recipient_id, encapsulated_key, ciphertext, signature }
    }
}
