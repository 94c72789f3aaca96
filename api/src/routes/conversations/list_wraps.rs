//! `GET /v1/conversations/{conversation_id}/wraps`

use super::ConversationPath;
use crate::access;
use crate::extract::{Page, PageAnswer};
use domain::conversation::Suite;
use domain::{AccountId, Blob, DeviceId, Digest, HpkeKey, RecipientId, Signature, Timestamp};
use projections::conversations::queries;

use crate::endpoint::prelude::*;

/// A wrap, with what opening it takes.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Wrap")]
pub struct WrapAnswer {
    /// Which generation.
    pub generation: u32,
    /// How the generation encrypts.
    pub suite: Suite,
    /// Hash of the membership that the generation was made for.
    pub transcript: Digest,
    /// For whose recipient: the caller's.
    pub account_id: AccountId,
    /// For which of the account's devices, or its recovery key.
    pub recipient_id: RecipientId,
    /// Whose device made the wrap.
    pub sender_id: AccountId,
    /// The device that made the wrap.
    pub device_id: DeviceId,
    /// HPKE encapsulated key.
    pub encapsulated_key: HpkeKey,
    /// HPKE ciphertext.
    pub ciphertext: Blob,
    /// The sending device's signature over the wrap.
    pub signature: Signature,
    /// When it was made.
    pub added_at: Timestamp,
    /// When its recipient reported that it cannot be opened.
    pub reported_at: Option<Timestamp>,
}

impl From<queries::WrapView> for WrapAnswer {
    fn from(row: queries::WrapView) -> Self {
        Self {
            generation: row.generation,
            suite: row.suite,
            transcript: row.transcript,
            account_id: row.account_id,
            recipient_id: row.recipient_id,
            sender_id: row.sender_id,
            device_id: row.device_id,
            encapsulated_key: row.encapsulated_key,
            ciphertext: row.ciphertext,
            signature: row.signature,
            added_at: row.added_at,
            reported_at: row.reported_at,
        }
    }
}

/// Which ones.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListWrapsQuery {
    /// Of this generation only.
    pub generation: Option<u32>,
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most rows, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListWraps;

impl Endpoint for ListWraps {
    const ABOUT: About = About::get(
        "conversations.list_wraps",
        "/v1/conversations/{conversation_id}/wraps",
        "Lists the wraps for the caller's own devices and recovery key.",
    )
    .who(who::PARTICIPANTS)
    .errors(&["conversation_not_found"])
    .reads(&["conversations"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = ConversationPath;
    type Query = ListWrapsQuery;
    type Body = Nothing;
    type Answer = PageAnswer<WrapAnswer>;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<PageAnswer<WrapAnswer>>, Problem> {
        let (account_id, conversation_id) = (input.caller.account_id, input.path.conversation_id);
        let viewer = access::conversation(state, account_id, conversation_id).await?;
        let page = Page::of::<Self>(state, account_id, &input.query.cursor, input.query.limit)?;
        let generation = input.query.generation;
        let rows =
            queries::own_wraps(&input.intent.reader, &viewer, conversation_id, generation, page.query())
                .await?;
        let last = rows.last().map(|row| (row.generation, row.recipient_id));
        let items = rows.into_iter().map(WrapAnswer::from).collect();
        PageAnswer::of::<Self, _>(state, account_id, &page, items, last).map(Reply::new)
    }
}
