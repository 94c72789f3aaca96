//! `GET /v1/organizations/{organization_id}/conversations/activity`

use super::ConversationAnswer;
use crate::access;
use crate::extract::{Page, PageAnswer};
use crate::problem::Code;
use crate::routes::organizations::OrganizationPath;
use projections::PageKey;
use projections::conversations::queries::{self, ActivityKey};
use projections::messages::queries::Direction;

use crate::endpoint::prelude::*;

/// Which ones.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListActivityQuery {
    /// Where the page begins, going back: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Where the page begins, going forward: a `poll_cursor`. Not together with `cursor`.
    pub after: Option<String>,
    /// Most rows, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// Conversations by their last activity.
#[derive(Serialize, JsonSchema)]
pub struct ListActivityAnswer {
    /// The conversations: the latest first, with `after` the earliest.
    #[serde(flatten)]
    pub page: PageAnswer<ConversationAnswer>,
    /// As `after` it lists what happens behind this page's latest, or what it was asked for where there is nothing. Absent where
    /// `cursor` goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_cursor: Option<String>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListActivity;

impl Endpoint for ListActivity {
    const ABOUT: About = About::get(
        "conversations.list_activity",
        "/v1/organizations/{organization_id}/conversations/activity",
        "Lists the caller's conversations in an organization by their last message.\n\nThe latest first, from page to page by \
         `next_cursor`. The first page has a `poll_cursor`: with it as `after` those are listed in which something was said \
         since, or that the caller was added to, the earliest first, with the `poll_cursor` for the next time.",
    )
    .who(who::ORGANIZATION)
    .errors(&["organization_not_found"])
    .reads(&["conversations", "messages"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = OrganizationPath;
    type Query = ListActivityQuery;
    type Body = Nothing;
    type Answer = ListActivityAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<ListActivityAnswer>, Problem> {
        let account_id = input.caller.account_id;
        let ListActivityQuery { cursor, after, limit } = &input.query;
        let reading = access::organization(state, account_id, input.path.organization_id).await?;
        let (direction, from) = match (cursor, after) {
            (Some(_), Some(_)) => {
                return Err(Problem::from(Code::InvalidQuery).detail("cursor and after exclude each other"));
            }
            (cursor, None) => (Direction::Backwards, cursor),
            (None, after) => (Direction::Forwards, after),
        };
        let page = Page::<ActivityKey>::of::<Self>(state, account_id, from, *limit)?;
        let reader = &input.intent.reader;
        let rows = queries::by_activity(reader, &reading.viewer, direction, page.query()).await?;
        let key = |row: &queries::ConversationView| (row.activity_position, row.conversation_id);
        let (first, last) = (rows.first().map(key), rows.last().map(key));
        let latest = match direction {
            Direction::Forwards => last.or(page.after),
            Direction::Backwards => first,
        };
        let read = rows.len();
        let rows = access::conversations(state, &reading, rows).await?;
        let items = ConversationAnswer::all(state, rows).await?;
        let polls = cursor.is_none();
        let next = last.filter(|_| direction == Direction::Backwards);
        let page = PageAnswer::filtered::<Self, _>(state, account_id, &page, items, next, read)?;
        let poll_cursor = match polls {
            true => Some(PageAnswer::<()>::cursor::<Self, _>(
                state,
                account_id,
                &latest.unwrap_or(PageKey::BEFORE_ALL),
            )?),
            false => None,
        };
        Ok(Reply::new(ListActivityAnswer { page, poll_cursor }))
    }
}
