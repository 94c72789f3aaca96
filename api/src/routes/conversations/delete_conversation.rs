//! `DELETE /v1/conversations/{conversation_id}`

use super::ConversationPath;

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct DeleteConversation;

impl Endpoint for DeleteConversation {
    const ABOUT: About = About::delete(
        "conversations.delete_conversation",
        "/v1/conversations/{conversation_id}",
        "Deletes a conversation: it takes no commands any more.",
    )
    .who(who::MODERATORS)
    .errors(&[
        "conversation_not_found",
        "workspace_archived",
        "role_insufficient",
        "conversation_deleted",
    ]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = ConversationPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let executed =
            state.services.conversations.delete(&input.intent.request, input.path.conversation_id).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
