//! Conversations, their members and generations.

use domain::conversation::{ConversationKind, ConversationRole, ConversationTitle, HistoryVisibility, Wrap};
use domain::{
    AccountId, Blob, ConversationId, HpkeKey, OrganizationId, RecipientId, Signature, Timestamp, WorkspaceId,
};
use eventstore_schema::Opened;
use projections::conversations::queries::ConversationView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::state::State;

pub mod add_member;
pub mod add_wrap;
pub mod change_history_visibility;
pub mod change_member_role;
pub mod change_title;
pub mod commit_generation;
pub mod create_group;
pub mod delete_conversation;
pub mod get_conversation;
pub mod get_recipients;
pub mod list_activity;
pub mod list_changes;
pub mod list_conversations;
pub mod list_generations;
pub mod list_members;
pub mod list_wraps;
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
    /// For whose recipient.
    pub account_id: AccountId,
    /// For which of the account's devices, or its recovery key.
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
        let WrapBody { account_id, recipient_id, encapsulated_key, ciphertext, signature } = wrap;
        Self { account_id, recipient_id, encapsulated_key, ciphertext, signature }
    }
}

/// A conversation as one of its members sees it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Conversation")]
pub struct ConversationAnswer {
    /// Its id.
    pub conversation_id: ConversationId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Its workspace, if it lies in one.
    pub workspace_id: Option<WorkspaceId>,
    /// Which kind.
    pub kind: ConversationKind,
    /// Who opened it.
    pub creator: AccountId,
    /// Name to show; null when there is none, or erased.
    pub title: Option<String>,
    /// What it is about; null when nothing is told, or erased.
    pub topic: Option<String>,
    /// Whether title and topic were erased.
    pub erased: bool,
    /// Whether messages in clear are taken.
    pub allows_plaintext: bool,
    /// What members see of what was before they joined: nothing (`joined`), or everything that they have the keys of (`all`).
    pub history_visibility: HistoryVisibility,
    /// Messages up to this number are hidden from the caller, or gone; 0 for none.
    pub hidden_up_to: u64,
    /// Members there are.
    pub members: u32,
    /// The caller's role.
    pub role: ConversationRole,
    /// The generation committed last; 0 for none.
    pub generation: u32,
    /// Whether a new generation has to be committed before anything encrypted can be sent.
    pub commit_required: bool,
    /// Number of its last message; 0 for none.
    pub last_number: u64,
    /// When that was sent; null when it is hidden from the caller.
    pub last_sent_at: Option<Timestamp>,
    /// Up to where the caller has read, on any device.
    pub read_up_to: u64,
    /// When it was opened.
    pub created_at: Timestamp,
}

impl ConversationAnswer {
    /// Opens a page of rows.
    ///
    /// # Errors
    /// When a key cannot be reached.
    pub async fn all(state: &State, rows: Vec<ConversationView>) -> Result<Vec<Self>, Problem> {
        let titles = state.open::<ConversationTitle>(rows.iter().map(|row| row.title.clone())).await?;
        Ok(rows.into_iter().zip(titles).map(Self::from).collect())
    }
}

impl From<(ConversationView, Opened<ConversationTitle>)> for ConversationAnswer {
    fn from((row, title): (ConversationView, Opened<ConversationTitle>)) -> Self {
        let erased = title == Opened::Erased;
        let (title, topic) = title.clear().map_or((None, None), |title| (title.title, title.topic));
        Self {
            conversation_id: row.conversation_id,
            organization_id: row.organization_id,
            workspace_id: row.workspace_id,
            kind: row.kind,
            creator: row.creator,
            title,
            topic,
            erased,
            allows_plaintext: row.allows_plaintext,
            history_visibility: row.history_visibility,
            hidden_up_to: row.hidden_up_to,
            members: row.members,
            role: row.role,
            generation: row.generation,
            commit_required: row.commit_required,
            last_number: row.last_number,
            last_sent_at: row.last_sent_at,
            read_up_to: row.read_up_to,
            created_at: row.created_at,
        }
    }
}
