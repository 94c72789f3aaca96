//! `GET /v1/organizations/{organization_id}/members`

use super::OrganizationPath;
use crate::access;
use crate::extract::{Page, PageAnswer};
use domain::account::AccountProfile;
use domain::organization::OrganizationRole;
use domain::{AccountId, Timestamp};
use eventstore_schema::Opened;
use projections::organizations::queries;
use projections::{Reader, Viewer, accounts};
use std::collections::HashMap;

use crate::endpoint::prelude::*;

/// A member of an organization.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OrganizationMember")]
pub struct MemberAnswer {
    /// Who.
    pub account_id: AccountId,
    /// Name to show; null when erased.
    pub display_name: Option<String>,
    /// Whether the name was erased.
    pub erased: bool,
    /// As what.
    pub role: OrganizationRole,
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
        "organizations.list_members",
        "/v1/organizations/{organization_id}/members",
        "Lists the members of an organization.",
    )
    .who(who::ORGANIZATION)
    .errors(&["organization_not_found"])
    .reads(&["organizations", "accounts"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = OrganizationPath;
    type Query = ListMembersQuery;
    type Body = Nothing;
    type Answer = PageAnswer<MemberAnswer>;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<PageAnswer<MemberAnswer>>, Problem> {
        let (account_id, organization_id) = (input.caller.account_id, input.path.organization_id);
        let reading = access::organization(state, account_id, organization_id).await?;
        let page = Page::of::<Self>(state, account_id, &input.query.cursor, input.query.limit)?;
        let rows =
            queries::members(&input.intent.reader, &reading.viewer, organization_id, page.query()).await?;
        let last = rows.last().map(|row| row.account_id);
        let ids: Vec<_> = rows.iter().map(|row| row.account_id).collect();
        let mut profiles = profiles(state, &input.intent.reader, &reading.viewer, &ids).await?;
        let show = |row: queries::OrganizationMemberView| {
            let profile = profiles.remove(&row.account_id);
            MemberAnswer {
                account_id: row.account_id,
                role: row.role,
                joined_at: row.joined_at,
                erased: profile == Some(Opened::Erased),
                display_name: profile.and_then(Opened::clear).map(|profile| profile.display_name),
            }
        };
        let items = rows.into_iter().map(show).collect();
        PageAnswer::of::<Self, _>(state, account_id, &page, items, last).map(Reply::new)
    }
}

async fn profiles(
    state: &State,
    reader: &Reader,
    viewer: &Viewer,
    ids: &[AccountId],
) -> Result<HashMap<AccountId, Opened<AccountProfile>>, Problem> {
    let rows = accounts::queries::profiles(reader, viewer, ids).await?;
    let profiles = state.open::<AccountProfile>(rows.iter().map(|row| row.profile.clone())).await?;
    Ok(rows.into_iter().map(|row| row.account_id).zip(profiles).collect())
}
