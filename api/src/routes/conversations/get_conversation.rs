//! `GET /v1/conversations/{conversation_id}`

use super::{ConversationAnswer, ConversationPath};
use crate::access;
use domain::Rejection;
use projections::conversations::queries;

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct GetConversation;

impl Endpoint for GetConversation {
    const ABOUT: About = About::get(
        "conversations.get_conversation",
        "/v1/conversations/{conversation_id}",
        "Shows a conversation.",
    )
    .who(who::PARTICIPANTS)
    .errors(&["conversation_not_found"])
    .reads(&["conversations", "messages"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = ConversationPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = ConversationAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<ConversationAnswer>, Problem> {
        let (account_id, conversation_id) = (input.caller.account_id, input.path.conversation_id);
        let viewer = access::conversation(state, account_id, conversation_id).await?;
        let query = async || queries::by_id(&input.intent.reader, &viewer, conversation_id).await;
        let row = state.found(Self::ABOUT.reads, query).await?;
        let answer = ConversationAnswer::all(state, vec![row]).await?.pop();
        answer.map(Reply::new).ok_or_else(|| Rejection::ConversationNotFound.into())
    }
}
