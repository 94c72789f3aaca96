//! `GET /v1/organizations/{organization_id}/invitations`

use super::OrganizationPath;
use crate::access;
use crate::extract::{Page, PageAnswer};
use domain::organization::OrganizationRole;
use domain::{AccountId, InvitationId, Rejection, Timestamp};
use projections::organizations::queries;

use crate::endpoint::prelude::*;

/// An invitation into an organization.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Invitation")]
pub struct InvitationAnswer {
    /// Its id.
    pub invitation_id: InvitationId,
    /// As what the invited join.
    pub role: OrganizationRole,
    /// How many may use it.
    pub uses_max: u32,
    /// How many have.
    pub uses: u32,
    /// From when on it is refused.
    pub expires_at: Timestamp,
    /// Who invited.
    pub created_by: AccountId,
    /// When.
    pub created_at: Timestamp,
    /// When it was withdrawn.
    pub revoked_at: Option<Timestamp>,
}

/// Which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListInvitationsQuery {
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most rows, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListInvitations;

impl Endpoint for ListInvitations {
    const ABOUT: About = About::get(
        "organizations.list_invitations",
        "/v1/organizations/{organization_id}/invitations",
        "Lists the invitations into an organization; their tokens are not kept.",
    )
    .who(who::MANAGERS)
    .errors(&["organization_not_found", "role_insufficient"])
    .reads(&["organizations"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = OrganizationPath;
    type Query = ListInvitationsQuery;
    type Body = Nothing;
    type Answer = PageAnswer<InvitationAnswer>;

    async fn handle(
        state: &State,
        input: Input<Self>,
    ) -> Result<Reply<PageAnswer<InvitationAnswer>>, Problem> {
        let (account_id, organization_id) = (input.caller.account_id, input.path.organization_id);
        let reading = access::organization(state, account_id, organization_id).await?;
        if !reading.role.manages() {
            return Err(Rejection::RoleInsufficient.into());
        }
        let page = Page::of::<Self>(state, account_id, &input.query.cursor, input.query.limit)?;
        let rows = queries::invitations(&input.intent.reader, &reading.viewer, organization_id, page.query())
            .await?;
        let last = rows.last().map(|row| row.invitation_id);
        let items = rows.into_iter().map(|row| InvitationAnswer {
            invitation_id: row.invitation_id,
            role: row.role,
            uses_max: row.uses_max,
            uses: row.uses,
            expires_at: row.expires_at,
            created_by: row.created_by,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
        });
        PageAnswer::of::<Self, _>(state, account_id, &page, items.collect(), last).map(Reply::new)
    }
}
