//! `GET /v1/conversations/{conversation_id}/generations`

use super::ConversationPath;
use crate::access;
use crate::extract::{Page, PageAnswer};
use domain::conversation::Suite;
use domain::{AccountId, DeviceId, Digest, Timestamp};
use projections::conversations::queries;

use crate::endpoint::prelude::*;

/// A generation of a conversation's key.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Generation")]
pub struct GenerationAnswer {
    /// Its number.
    pub generation: u32,
    /// How it encrypts.
    pub suite: Suite,
    /// Whose device made it.
    pub account_id: AccountId,
    /// The device that made it.
    pub device_id: DeviceId,
    /// Hash of the membership that it was made for.
    pub transcript: Digest,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// Which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListGenerationsQuery {
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most rows, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListGenerations;

impl Endpoint for ListGenerations {
    const ABOUT: About = About::get(
        "conversations.list_generations",
        "/v1/conversations/{conversation_id}/generations",
        "Lists the generations of a conversation's key.",
    )
    .who(who::PARTICIPANTS)
    .errors(&["conversation_not_found"])
    .reads(&["conversations"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = ConversationPath;
    type Query = ListGenerationsQuery;
    type Body = Nothing;
    type Answer = PageAnswer<GenerationAnswer>;

    async fn handle(
        state: &State,
        input: Input<Self>,
    ) -> Result<Reply<PageAnswer<GenerationAnswer>>, Problem> {
        let (account_id, conversation_id) = (input.caller.account_id, input.path.conversation_id);
        let viewer = access::conversation(state, account_id, conversation_id).await?;
        let page = Page::of::<Self>(state, account_id, &input.query.cursor, input.query.limit)?;
        let rows = queries::generations(&input.intent.reader, &viewer, conversation_id, page.query()).await?;
        let last = rows.last().map(|row| row.generation);
        let show = |row: queries::GenerationView| GenerationAnswer {
            generation: row.generation,
            suite: row.suite,
            account_id: row.account_id,
            device_id: row.device_id,
            transcript: row.transcript,
            committed_at: row.committed_at,
        };
        let items = rows.into_iter().map(show).collect();
        PageAnswer::of::<Self, _>(state, account_id, &page, items, last).map(Reply::new)
    }
}
