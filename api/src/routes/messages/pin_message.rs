//! `PUT /v1/conversations/{conversation_id}/messages/{number}/pin`

use super::MessagePath;

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct PinMessage;

impl Endpoint for PinMessage {
    const ABOUT: About = About::put(
        "messages.pin_message",
        "/v1/conversations/{conversation_id}/messages/{number}/pin",
        "Pins a message.",
    )
    .who(who::PARTICIPANTS)
    .errors(&[
        "conversation_not_found",
        "message_not_found",
        "message_deleted",
        "pin_limit",
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
        let executed =
            state.services.conversations.pin(&input.intent.request, conversation_id, number).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
