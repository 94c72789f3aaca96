//! `GET /v1/conversations/{conversation_id}/messages/{number}/reactions`

use super::MessagePath;
use crate::access;
use crate::extract::{Page, PageAnswer};
use domain::conversation::{Cipher, MessageBody, ReactionSet};
use domain::{AccountId, Blob, DeviceId, MessageId, Timestamp};
use eventstore_schema::Opened;
use projections::messages::queries;

use crate::endpoint::prelude::*;

/// What a member's reaction slot on a message holds.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Reaction")]
pub struct ReactionAnswer {
    /// Whose.
    pub account_id: AccountId,
    /// Which slot.
    pub slot: u8,
    /// Its id.
    pub reaction_id: MessageId,
    /// From which device.
    pub device_id: DeviceId,
    /// The generation that it is encrypted under; 0 in clear.
    pub generation: u32,
    /// Whether it is end-to-end encrypted.
    pub encrypted: bool,
    /// Ciphertext, or clear bytes; null when erased.
    pub content: Option<Blob>,
    /// What goes with a ciphertext.
    pub cipher: Option<Cipher>,
    /// Whether it was erased.
    pub erased: bool,
    /// When.
    pub reacted_at: Timestamp,
}

impl From<(queries::ReactionView, Opened<MessageBody>)> for ReactionAnswer {
    fn from((row, body): (queries::ReactionView, Opened<MessageBody>)) -> Self {
        let erased = body == Opened::Erased;
        let body = body.clear();
        Self {
            account_id: row.account_id,
            slot: row.slot,
            reaction_id: row.reaction_id,
            device_id: row.device_id,
            generation: row.generation,
            encrypted: row.encrypted,
            cipher: body.as_ref().and_then(|body| body.cipher.clone()),
            content: body.map(|body| body.content),
            erased,
            reacted_at: row.reacted_at,
        }
    }
}

impl ReactionAnswer {
    /// A reaction as it was set; without content where that does not open.
    pub fn set(set: &ReactionSet, at: Timestamp, body: Option<Opened<MessageBody>>) -> Self {
        let erased = body == Some(Opened::Erased);
        let body = body.and_then(Opened::clear);
        Self {
            account_id: set.account_id,
            slot: set.slot,
            reaction_id: set.reaction_id,
            device_id: set.device_id,
            generation: set.generation,
            encrypted: set.encrypted,
            cipher: body.as_ref().and_then(|body| body.cipher.clone()),
            content: body.map(|body| body.content),
            erased,
            reacted_at: at,
        }
    }
}

/// Which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListReactionsQuery {
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most rows, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListReactions;

impl Endpoint for ListReactions {
    const ABOUT: About = About::get(
        "messages.list_reactions",
        "/v1/conversations/{conversation_id}/messages/{number}/reactions",
        "Lists the reactions on a message.",
    )
    .who(who::PARTICIPANTS)
    .errors(&["conversation_not_found", "message_not_found"])
    .reads(&["messages", "conversations"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = MessagePath;
    type Query = ListReactionsQuery;
    type Body = Nothing;
    type Answer = PageAnswer<ReactionAnswer>;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<PageAnswer<ReactionAnswer>>, Problem> {
        let MessagePath { conversation_id, number } = input.path;
        let account_id = input.caller.account_id;
        let viewer = access::conversation(state, account_id, conversation_id).await?;
        let page = Page::of::<Self>(state, account_id, &input.query.cursor, input.query.limit)?;
        let reader = &input.intent.reader;
        let rows = queries::reactions(reader, &viewer, conversation_id, number, page.query()).await?;
        let last = rows.last().map(|row| (row.account_id, row.slot));
        let bodies = state.open::<MessageBody>(rows.iter().map(|row| row.ciphertext.clone())).await?;
        let items = rows.into_iter().zip(bodies).map(ReactionAnswer::from).collect();
        PageAnswer::of::<Self, _>(state, account_id, &page, items, last).map(Reply::new)
    }
}
