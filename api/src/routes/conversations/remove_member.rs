//! `DELETE /v1/conversations/{conversation_id}/members/{account_id}`

use super::ConversationMemberPath;

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct RemoveMember;

impl Endpoint for RemoveMember {
    const ABOUT: About = About::delete(
        "conversations.remove_member",
        "/v1/conversations/{conversation_id}/members/{account_id}",
        "Removes a member of a conversation, or leaves it.\n\nNothing can be sent until a new generation is committed.",
    )
    .who(who::MODERATORS)
    .errors(&["conversation_not_found", "role_insufficient", "member_not_found", "direct_is_fixed", "conversation_deleted", "last_admin", "workspace_archived"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = ConversationMemberPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let ConversationMemberPath { conversation_id, account_id } = input.path;
        let executed = state
            .services
            .conversations
            .remove_member(&input.intent.request, conversation_id, account_id)
            .await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
