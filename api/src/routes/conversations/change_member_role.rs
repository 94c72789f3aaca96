//! `PUT /v1/conversations/{conversation_id}/members/{account_id}`

use super::ConversationMemberPath;
use domain::conversation::ConversationRole;

use crate::endpoint::prelude::*;

/// The new role.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeConversationMemberRoleBody")]
pub struct ChangeMemberRoleBody {
    /// The role.
    pub role: ConversationRole,
}

/// See [`Endpoint::ABOUT`].
pub struct ChangeMemberRole;

impl Endpoint for ChangeMemberRole {
    const ABOUT: About = About::put(
        "conversations.change_member_role",
        "/v1/conversations/{conversation_id}/members/{account_id}",
        "Gives a member of a conversation another role.",
    )
    .who(who::MODERATORS)
    .errors(&[
        "conversation_not_found",
        "workspace_archived",
        "role_insufficient",
        "member_not_found",
        "last_admin",
        "direct_is_fixed",
        "conversation_deleted",
    ]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = ConversationMemberPath;
    type Query = Nothing;
    type Body = ChangeMemberRoleBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let ConversationMemberPath { conversation_id, account_id } = input.path;
        let conversations = &state.services.conversations;
        let executed = conversations
            .change_role(&input.intent.request, conversation_id, account_id, input.body.role)
            .await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
