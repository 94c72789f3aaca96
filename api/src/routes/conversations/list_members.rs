//! `GET /v1/conversations/{conversation_id}/members`

use super::ConversationPath;
use crate::access;
use crate::extract::{Page, PageAnswer};
use crate::names::{Name, Names};
use domain::conversation::ConversationRole;
use domain::{AccountId, Timestamp};
use projections::conversations::queries;

use crate::endpoint::prelude::*;

/// A member of a conversation.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConversationMember")]
pub struct MemberAnswer {
    /// Who.
    pub account_id: AccountId,
    /// What they are called.
    #[serde(flatten)]
    pub name: Name,
    /// As what.
    pub role: ConversationRole,
    /// Since when.
    pub joined_at: Timestamp,
}

/// Which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListMembersQuery {
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most rows, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListMembers;

impl Endpoint for ListMembers {
    const ABOUT: About = About::get(
        "conversations.list_members",
        "/v1/conversations/{conversation_id}/members",
        "Lists the members of a conversation.",
    )
    .who(who::PARTICIPANTS)
    .errors(&["conversation_not_found"])
    .reads(&["conversations", "accounts", "organizations", "workspaces"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = ConversationPath;
    type Query = ListMembersQuery;
    type Body = Nothing;
    type Answer = PageAnswer<MemberAnswer>;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<PageAnswer<MemberAnswer>>, Problem> {
        let (account_id, conversation_id) = (input.caller.account_id, input.path.conversation_id);
        let viewer = access::conversation(state, account_id, conversation_id).await?;
        let page = Page::of::<Self>(state, account_id, &input.query.cursor, input.query.limit)?;
        let rows = queries::members(&input.intent.reader, &viewer, conversation_id, page.query()).await?;
        let last = rows.last().map(|row| row.account_id);
        let names = rows.iter().map(|row| row.account_id);
        let names = Names::of(state, &input.intent.reader, account_id, names).await?;
        let show = |row: queries::ConversationMemberView| MemberAnswer {
            account_id: row.account_id,
            name: names.get(row.account_id),
            role: row.role,
            joined_at: row.joined_at,
        };
        let items = rows.into_iter().map(show).collect();
        PageAnswer::of::<Self, _>(state, account_id, &page, items, last).map(Reply::new)
    }
}
