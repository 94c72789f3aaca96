//! `DELETE /v1/conversations/{conversation_id}/messages/{number}/reactions/{slot}`

use super::ReactionPath;

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct ClearReaction;

impl Endpoint for ClearReaction {
    const ABOUT: About = About::delete(
        "messages.clear_reaction",
        "/v1/conversations/{conversation_id}/messages/{number}/reactions/{slot}",
        "Empties one of the caller's reaction slots on a message.",
    )
    .who(who::PARTICIPANTS)
    .errors(&[
        "conversation_not_found",
        "message_not_found",
        "conversation_deleted",
        "workspace_archived",
    ]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = ReactionPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let ReactionPath { conversation_id, number, slot } = input.path;
        let conversations = &state.services.conversations;
        let executed =
            conversations.clear_reaction(&input.intent.request, conversation_id, number, slot).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
