//! `GET /v1/conversations/{conversation_id}/messages`

use super::MessageAnswer;
use crate::access;
use crate::extract::Page;
use crate::names::{NamedAccount, Names};
use crate::problem::Code;
use crate::routes::conversations::ConversationPath;
use projections::messages::queries::{self, Direction};

use crate::endpoint::prelude::*;

/// Which ones.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListMessagesQuery {
    /// Behind this number.
    pub after: Option<u64>,
    /// Before this number; not together with `after`.
    pub before: Option<u64>,
    /// Most messages, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// Messages.
#[derive(Serialize, JsonSchema)]
pub struct ListMessagesAnswer {
    /// In the order of the direction asked for.
    pub items: Vec<MessageAnswer>,
    /// What their senders are called, those whom the caller may see, by account.
    pub senders: Vec<NamedAccount>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListMessages;

impl Endpoint for ListMessages {
    const ABOUT: About = About::get(
        "messages.list_messages",
        "/v1/conversations/{conversation_id}/messages",
        "Lists messages of a conversation.\n\nWith `after`, those with higher numbers, the lowest first. Otherwise those with lower numbers than `before`, the highest first; without it, the newest.",
    )
    .who(who::PARTICIPANTS)
    .errors(&["conversation_not_found"])
    .reads(&["messages", "conversations", "accounts", "organizations", "workspaces"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = ConversationPath;
    type Query = ListMessagesQuery;
    type Body = Nothing;
    type Answer = ListMessagesAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<ListMessagesAnswer>, Problem> {
        let (account_id, conversation_id) = (input.caller.account_id, input.path.conversation_id);
        let viewer = access::conversation(state, account_id, conversation_id).await?;
        let (direction, number) = match (input.query.after, input.query.before) {
            (Some(after), None) => (Direction::Forwards, Some(after)),
            (None, before) => (Direction::Backwards, before),
            (Some(_), Some(_)) => {
                return Err(Problem::from(Code::InvalidQuery).detail("after and before exclude each other"));
            }
        };
        let page = Page::at(number, input.query.limit)?.query();
        let rows = queries::page(&input.intent.reader, &viewer, conversation_id, direction, page).await?;
        let items = MessageAnswer::all(state, rows).await?;
        let senders = items.iter().map(|message| message.sender_id);
        let names = Names::of(state, &input.intent.reader, account_id, senders).await?;
        Ok(Reply::new(ListMessagesAnswer { items, senders: names.all() }))
    }
}
