//! `GET /v1/workspaces/{workspace_id}/members`

use super::WorkspacePath;
use crate::access;
use crate::extract::{Page, PageAnswer};
use crate::names::{Name, Names};
use domain::workspace::WorkspaceRole;
use domain::{AccountId, Timestamp};
use projections::workspaces::queries;

use crate::endpoint::prelude::*;

/// A member of a workspace.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WorkspaceMember")]
pub struct MemberAnswer {
    /// Who.
    pub account_id: AccountId,
    /// What they are called.
    #[serde(flatten)]
    pub name: Name,
    /// As what.
    pub role: WorkspaceRole,
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
        "workspaces.list_members",
        "/v1/workspaces/{workspace_id}/members",
        "Lists the members of a workspace.",
    )
    .who(who::MANAGERS_AND_PARTICIPANTS)
    .errors(&["workspace_not_found"])
    .reads(&["workspaces", "accounts", "organizations", "conversations"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = WorkspacePath;
    type Query = ListMembersQuery;
    type Body = Nothing;
    type Answer = PageAnswer<MemberAnswer>;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<PageAnswer<MemberAnswer>>, Problem> {
        let (account_id, workspace_id) = (input.caller.account_id, input.path.workspace_id);
        let viewer = access::workspace(state, account_id, workspace_id).await?;
        let page = Page::of::<Self>(state, account_id, &input.query.cursor, input.query.limit)?;
        let rows = queries::members(&input.intent.reader, &viewer, workspace_id, page.query()).await?;
        let last = rows.last().map(|row| row.account_id);
        let names = rows.iter().map(|row| row.account_id);
        let names = Names::of(state, &input.intent.reader, account_id, names).await?;
        let show = |row: queries::WorkspaceMemberView| MemberAnswer {
            account_id: row.account_id,
            name: names.get(row.account_id),
            role: row.role,
            joined_at: row.joined_at,
        };
        let items = rows.into_iter().map(show).collect();
        PageAnswer::of::<Self, _>(state, account_id, &page, items, last).map(Reply::new)
    }
}
