//! `GET /v1/conversations/{conversation_id}/reactions`

use super::list_reactions::ReactionAnswer;
use crate::access;
use crate::extract::{Page, PageAnswer, ids};
use crate::routes::conversations::ConversationPath;
use domain::conversation::MessageBody;
use projections::messages::queries;

use crate::endpoint::prelude::*;

/// A reaction with the message that it is on.
#[derive(Serialize, JsonSchema)]
pub struct MessageReaction {
    /// Number of the message.
    pub number: u64,
    /// The reaction.
    #[serde(flatten)]
    pub reaction: ReactionAnswer,
}

/// On which messages, and which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListReactionsOnQuery {
    /// Numbers of 1 to 50 messages, separated by commas.
    pub numbers: String,
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most rows, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListReactionsOn;

impl Endpoint for ListReactionsOn {
    const ABOUT: About = About::get(
        "messages.list_reactions_on",
        "/v1/conversations/{conversation_id}/reactions",
        "Lists the reactions on several messages of a conversation.\n\nMessages that there are none of, or that the caller does not see, have none.",
    )
    .who(who::PARTICIPANTS)
    .errors(&["conversation_not_found"])
    .reads(&["messages", "conversations"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = ConversationPath;
    type Query = ListReactionsOnQuery;
    type Body = Nothing;
    type Answer = PageAnswer<MessageReaction>;

    async fn handle(
        state: &State,
        input: Input<Self>,
    ) -> Result<Reply<PageAnswer<MessageReaction>>, Problem> {
        let (account_id, conversation_id) = (input.caller.account_id, input.path.conversation_id);
        let viewer = access::conversation(state, account_id, conversation_id).await?;
        let numbers: Vec<u64> = ids("numbers", &input.query.numbers)?;
        let page = Page::of::<Self>(state, account_id, &input.query.cursor, input.query.limit)?;
        let reader = &input.intent.reader;
        let rows = queries::reactions_on(reader, &viewer, conversation_id, &numbers, page.query()).await?;
        let last = rows.last().map(|row| (row.number, (row.account_id, row.slot)));
        let bodies = state.open::<MessageBody>(rows.iter().map(|row| row.ciphertext.clone())).await?;
        let show = |(row, body): (queries::ReactionView, _)| MessageReaction {
            number: row.number,
            reaction: ReactionAnswer::from((row, body)),
        };
        let items = rows.into_iter().zip(bodies).map(show).collect();
        PageAnswer::of::<Self, _>(state, account_id, &page, items, last).map(Reply::new)
    }
}
