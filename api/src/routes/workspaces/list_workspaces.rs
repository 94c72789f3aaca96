//! `GET /v1/organizations/{organization_id}/workspaces`

use super::WorkspaceAnswer;
use crate::access;
use crate::extract::{Page, PageAnswer};
use crate::routes::organizations::OrganizationPath;
use projections::workspaces::queries;

use crate::endpoint::prelude::*;

/// Which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListWorkspacesQuery {
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most rows, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListWorkspaces;

impl Endpoint for ListWorkspaces {
    const ABOUT: About = About::get(
        "workspaces.list_workspaces",
        "/v1/organizations/{organization_id}/workspaces",
        "Lists the workspaces of an organization that the caller is a member of; to those who manage it, all.",
    )
    .who(who::ORGANIZATION)
    .errors(&["organization_not_found"])
    .reads(&["workspaces"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = OrganizationPath;
    type Query = ListWorkspacesQuery;
    type Body = Nothing;
    type Answer = PageAnswer<WorkspaceAnswer>;

    async fn handle(
        state: &State,
        input: Input<Self>,
    ) -> Result<Reply<PageAnswer<WorkspaceAnswer>>, Problem> {
        let (account_id, organization_id) = (input.caller.account_id, input.path.organization_id);
        let reading = access::organization(state, account_id, organization_id).await?;
        let page = Page::of::<Self>(state, account_id, &input.query.cursor, input.query.limit)?;
        let (reader, viewer) = (&input.intent.reader, &reading.viewer);
        let manages = reading.role.manages();
        let rows = if manages {
            queries::of_organization(reader, viewer, organization_id, page.query()).await?
        } else {
            queries::mine(reader, viewer, organization_id, page.query()).await?
        };
        let last = rows.last().map(|row| row.workspace_id);
        let rows = if manages { rows } else { access::workspaces(state, &reading, rows).await? };
        let items = WorkspaceAnswer::all(state, rows).await?;
        PageAnswer::of::<Self, _>(state, account_id, &page, items, last).map(Reply::new)
    }
}
