//! `GET /v1/organizations`

use super::OrganizationAnswer;
use crate::access;
use crate::extract::{Page, PageAnswer};
use projections::Viewer;
use projections::organizations::queries;

use crate::endpoint::prelude::*;

/// Which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListOrganizationsQuery {
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most rows, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListOrganizations;

impl Endpoint for ListOrganizations {
    const ABOUT: About = About::get(
        "organizations.list_organizations",
        "/v1/organizations",
        "Lists the organizations that the caller is a member of.",
    )
    .who(who::ACCOUNTS)
    .reads(&["organizations"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = Nothing;
    type Query = ListOrganizationsQuery;
    type Body = Nothing;
    type Answer = PageAnswer<OrganizationAnswer>;

    async fn handle(
        state: &State,
        input: Input<Self>,
    ) -> Result<Reply<PageAnswer<OrganizationAnswer>>, Problem> {
        let account_id = input.caller.account_id;
        let page = Page::of::<Self>(state, account_id, &input.query.cursor, input.query.limit)?;
        let viewer = Viewer { account_id, organization_id: None };
        let rows = queries::mine(&input.intent.reader, &viewer, page.query()).await?;
        let last = rows.last().map(|row| row.organization_id);
        let rows = access::memberships(state, account_id, rows, |row| row.organization_id).await?;
        let items = OrganizationAnswer::all(state, rows).await?;
        PageAnswer::of::<Self, _>(state, account_id, &page, items, last).map(Reply::new)
    }
}
