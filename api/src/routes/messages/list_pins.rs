//! `GET /v1/conversations/{conversation_id}/pins`

use crate::access;
use crate::routes::conversations::ConversationPath;
use domain::{AccountId, Timestamp};
use projections::messages::queries;

use crate::endpoint::prelude::*;

/// A pinned message.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Pin")]
pub struct PinAnswer {
    /// Number of the message.
    pub number: u64,
    /// Who pinned it.
    pub pinned_by: AccountId,
    /// When.
    pub pinned_at: Timestamp,
}

impl From<queries::PinView> for PinAnswer {
    fn from(row: queries::PinView) -> Self {
        Self { number: row.number, pinned_by: row.pinned_by, pinned_at: row.pinned_at }
    }
}

/// The pinned messages.
#[derive(Serialize, JsonSchema)]
pub struct ListPinsAnswer {
    /// By number.
    pub items: Vec<PinAnswer>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListPins;

impl Endpoint for ListPins {
    const ABOUT: About = About::get(
        "messages.list_pins",
        "/v1/conversations/{conversation_id}/pins",
        "Lists the pinned messages of a conversation: at most 100.",
    )
    .who(who::PARTICIPANTS)
    .errors(&["conversation_not_found"])
    .reads(&["messages", "conversations"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = ConversationPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = ListPinsAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<ListPinsAnswer>, Problem> {
        let (account_id, conversation_id) = (input.caller.account_id, input.path.conversation_id);
        let viewer = access::conversation(state, account_id, conversation_id).await?;
        let rows = queries::pins(&input.intent.reader, &viewer, conversation_id).await?;
        Ok(Reply::new(ListPinsAnswer { items: rows.into_iter().map(PinAnswer::from).collect() }))
    }
}
