//! `GET /v1/conversations/{conversation_id}/messages/{number}`

use super::{MessageAnswer, MessagePath};
use crate::access;
use domain::Rejection;
use projections::messages::queries;

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct GetMessage;

impl Endpoint for GetMessage {
    const ABOUT: About = About::get(
        "messages.get_message",
        "/v1/conversations/{conversation_id}/messages/{number}",
        "Shows a message.",
    )
    .who(who::PARTICIPANTS)
    .errors(&["conversation_not_found", "message_not_found"])
    .reads(&["messages", "conversations"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = MessagePath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = MessageAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<MessageAnswer>, Problem> {
        let MessagePath { conversation_id, number } = input.path;
        let viewer = access::conversation(state, input.caller.account_id, conversation_id).await?;
        let row = queries::by_number(&input.intent.reader, &viewer, conversation_id, number).await?;
        let row = row.ok_or(Rejection::MessageNotFound)?;
        let answer = MessageAnswer::all(state, vec![row]).await?.pop();
        answer.map(Reply::new).ok_or_else(|| Rejection::MessageNotFound.into())
    }
}
