//! `GET /v1/conversations/{conversation_id}/receipts`

use crate::access;
use crate::extract::{Page, PageAnswer};
use crate::routes::conversations::ConversationPath;
use domain::AccountId;
use projections::messages::queries;

use crate::endpoint::prelude::*;

/// How far a member has come.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Receipt")]
pub struct ReceiptAnswer {
    /// Who.
    pub account_id: AccountId,
    /// One of their devices has got the messages up to this number; 0 for none.
    pub delivered_up_to: u64,
    /// They have read the messages up to this number; 0 for none.
    pub read_up_to: u64,
}

/// Which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListReceiptsQuery {
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most rows, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListReceipts;

impl Endpoint for ListReceipts {
    const ABOUT: About = About::get(
        "messages.list_receipts",
        "/v1/conversations/{conversation_id}/receipts",
        "Lists how far each member with a device has come: up to where messages were delivered and read.",
    )
    .who(who::PARTICIPANTS)
    .errors(&["conversation_not_found"])
    .reads(&["messages", "conversations"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = ConversationPath;
    type Query = ListReceiptsQuery;
    type Body = Nothing;
    type Answer = PageAnswer<ReceiptAnswer>;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<PageAnswer<ReceiptAnswer>>, Problem> {
        let (account_id, conversation_id) = (input.caller.account_id, input.path.conversation_id);
        let viewer = access::conversation(state, account_id, conversation_id).await?;
        let page = Page::of::<Self>(state, account_id, &input.query.cursor, input.query.limit)?;
        let rows = queries::receipts(&input.intent.reader, &viewer, conversation_id, page.query()).await?;
        let last = rows.last().map(|row| row.account_id);
        let show = |row: queries::ReceiptView| ReceiptAnswer {
            account_id: row.account_id,
            delivered_up_to: row.delivered_up_to,
            read_up_to: row.read_up_to,
        };
        let items = rows.into_iter().map(show).collect();
        PageAnswer::of::<Self, _>(state, account_id, &page, items, last).map(Reply::new)
    }
}
