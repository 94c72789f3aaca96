//! `POST /v1/organizations/{organization_id}/conversations`

use super::OpenedConversation;
use crate::routes::organizations::OrganizationPath;
use commands::services::NewConversation;
use domain::conversation::{ConversationKind, ConversationTitle, HistoryVisibility};
use domain::{AccountId, WorkspaceId};

use crate::endpoint::prelude::*;
use crate::limits;

/// The new conversation.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateGroupBody {
    /// The workspace that it lies in, if any.
    #[serde(default)]
    pub workspace_id: Option<WorkspaceId>,
    /// Name to show.
    #[serde(default)]
    #[schemars(length(min = 1, max = domain::limits::NAME_CHARS_MAX))]
    pub title: Option<String>,
    /// What it is about.
    #[serde(default)]
    #[schemars(length(min = 1, max = domain::limits::DESCRIPTION_CHARS_MAX))]
    pub topic: Option<String>,
    /// Whether messages in clear are taken: for bots and imported history.
    #[serde(default)]
    pub allows_plaintext: bool,
    /// What members see of what was before they joined; `joined` when absent.
    #[serde(default = "joined")]
    pub history_visibility: HistoryVisibility,
    /// The first members beside whoever opens it.
    #[schemars(length(max = domain::limits::CONVERSATION_MEMBERS_MAX))]
    pub members: Vec<AccountId>,
}

fn joined() -> HistoryVisibility {
    HistoryVisibility::Joined
}

/// See [`Endpoint::ABOUT`].
pub struct CreateGroup;

impl Endpoint for CreateGroup {
    const ABOUT: About = About::post(
        "conversations.create_group",
        "/v1/organizations/{organization_id}/conversations",
        "Opens a conversation of any number of members.\n\nWhoever does becomes its admin. Nothing can be sent before a first generation is committed.",
    )
    .who(who::ALL_BUT_GUESTS)
    .errors(&["organization_not_found", "workspace_not_found", "not_organization_member", "role_insufficient", "member_limit", "member_exists", "device_exists", "recipient_limit", "conversation_exists", "workspace_archived", "not_workspace_member"])
    .body_bytes_max(limits::MESSAGE_BODY_BYTES_MAX);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = OrganizationPath;
    type Query = Nothing;
    type Body = CreateGroupBody;
    type Answer = OpenedConversation;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<OpenedConversation>, Problem> {
        let CreateGroupBody { workspace_id, title, topic, allows_plaintext, history_visibility, members } =
            input.body;
        let new = NewConversation {
            organization_id: input.path.organization_id,
            workspace_id,
            kind: ConversationKind::Group,
            title: ConversationTitle { title, topic },
            allows_plaintext,
            history_visibility,
            members,
        };
        let executed = state.services.conversations.create(&input.intent.request, new).await?;
        let conversation_id = executed.stream.id.into();
        Ok(Reply::of(&executed, OpenedConversation { conversation_id }))
    }
}
