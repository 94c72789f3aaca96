//! `DELETE /v1/conversations/{conversation_id}/messages/{number}`

use super::MessagePath;

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct DeleteMessage;

impl Endpoint for DeleteMessage {
    const ABOUT: About = About::delete(
        "messages.delete_message",
        "/v1/conversations/{conversation_id}/messages/{number}",
        "Deletes a message for everyone; its sender or an admin.",
    )
    .who(who::PARTICIPANTS)
    .errors(&[
        "conversation_not_found",
        "message_not_found",
        "not_sender",
        "conversation_deleted",
        "workspace_archived",
    ]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = MessagePath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let MessagePath { conversation_id, number } = input.path;
        let executed = state
            .services
            .conversations
            .delete_message(&input.intent.request, conversation_id, number)
            .await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
