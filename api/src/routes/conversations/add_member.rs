//! `POST /v1/conversations/{conversation_id}/members`

use super::ConversationPath;
use domain::AccountId;
use domain::conversation::ConversationRole;

use crate::endpoint::prelude::*;

/// The new member.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AddConversationMemberBody")]
pub struct AddMemberBody {
    /// Who.
    pub account_id: AccountId,
    /// As what.
    pub role: ConversationRole,
}

/// See [`Endpoint::ABOUT`].
pub struct AddMember;

impl Endpoint for AddMember {
    const ABOUT: About = About::post(
        "conversations.add_member",
        "/v1/conversations/{conversation_id}/members",
        "Adds a member of the organization to a conversation.\n\nTheir devices wait for their wraps of the current generation.",
    )
    .who(who::MODERATORS)
    .status(204)
    .errors(&["conversation_not_found", "role_insufficient", "not_organization_member", "member_exists", "member_limit", "direct_is_fixed", "conversation_deleted", "device_exists", "recipient_limit", "member_not_found", "workspace_archived", "not_workspace_member"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = ConversationPath;
    type Query = Nothing;
    type Body = AddMemberBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let AddMemberBody { account_id, role } = input.body;
        let conversations = &state.services.conversations;
        let executed = conversations
            .add_member(&input.intent.request, input.path.conversation_id, account_id, role)
            .await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
