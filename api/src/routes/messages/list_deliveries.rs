//! `GET /v1/conversations/{conversation_id}/messages/{number}/deliveries`

use super::MessagePath;
use crate::access;
use crate::extract::{Page, PageAnswer};
use domain::conversation::DeliveryState;
use domain::{AccountId, DeviceId, Timestamp};
use projections::messages::queries;

use crate::endpoint::prelude::*;

/// How far a message has come to one device.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
pub struct DeliveryAnswer {
    /// Whose device.
    pub account_id: AccountId,
    /// The device.
    pub device_id: DeviceId,
    /// How far.
    pub state: DeliveryState,
    /// When it got there.
    pub at: Timestamp,
}

/// Which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListDeliveriesQuery {
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most rows, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListDeliveries;

impl Endpoint for ListDeliveries {
    const ABOUT: About = About::get(
        "messages.list_deliveries",
        "/v1/conversations/{conversation_id}/messages/{number}/deliveries",
        "Lists how far a message has come, by device.",
    )
    .who(who::PARTICIPANTS)
    .errors(&["conversation_not_found", "message_not_found"])
    .reads(&["messages", "conversations"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = MessagePath;
    type Query = ListDeliveriesQuery;
    type Body = Nothing;
    type Answer = PageAnswer<DeliveryAnswer>;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<PageAnswer<DeliveryAnswer>>, Problem> {
        let MessagePath { conversation_id, number } = input.path;
        let account_id = input.caller.account_id;
        let viewer = access::conversation(state, account_id, conversation_id).await?;
        let page = Page::of::<Self>(state, account_id, &input.query.cursor, input.query.limit)?;
        let reader = &input.intent.reader;
        let rows = queries::deliveries(reader, &viewer, conversation_id, number, page.query()).await?;
        let last = rows.last().map(|row| (row.account_id, row.device_id));
        let show = |row: queries::DeliveryView| DeliveryAnswer {
            account_id: row.account_id,
            device_id: row.device_id,
            state: row.state,
            at: row.at,
        };
        let items = rows.into_iter().map(show).collect();
        PageAnswer::of::<Self, _>(state, account_id, &page, items, last).map(Reply::new)
    }
}
