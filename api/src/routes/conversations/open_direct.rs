//! `POST /v1/organizations/{organization_id}/direct-conversations`

use super::OpenedConversation;
use crate::routes::organizations::OrganizationPath;
use commands::services::NewConversation;
use domain::AccountId;
use domain::conversation::{ConversationKind, ConversationTitle, HistoryVisibility};

use crate::endpoint::prelude::*;

/// The other member.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenDirectBody {
    /// Who.
    pub account_id: AccountId,
}

/// See [`Endpoint::ABOUT`].
pub struct OpenDirect;

impl Endpoint for OpenDirect {
    const ABOUT: About = About::post(
        "conversations.open_direct",
        "/v1/organizations/{organization_id}/direct-conversations",
        "Opens the conversation of two members.\n\nThere is one only: 409 `conversation_exists` names it. One that was \
         deleted begins anew, without the messages of before.",
    )
    .who(who::ORGANIZATION)
    .errors(&["organization_not_found", "not_organization_member", "conversation_exists", "role_insufficient", "device_exists", "recipient_limit", "member_exists", "direct_id_mismatch"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = OrganizationPath;
    type Query = Nothing;
    type Body = OpenDirectBody;
    type Answer = OpenedConversation;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<OpenedConversation>, Problem> {
        let new = NewConversation {
            organization_id: input.path.organization_id,
            workspace_id: None,
            kind: ConversationKind::Direct,
            title: ConversationTitle { title: None, topic: None },
            allows_plaintext: false,
            history_visibility: HistoryVisibility::Joined,
            members: vec![input.body.account_id],
        };
        let executed = state.services.conversations.create(&input.intent.request, new).await?;
        let conversation_id = executed.stream.id.into();
        Ok(Reply::of(&executed, OpenedConversation { conversation_id }))
    }
}
