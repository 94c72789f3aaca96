//! `PUT /v1/organizations/{organization_id}/members/{account_id}`

use super::MemberPath;
use domain::organization::OrganizationRole;

use crate::endpoint::prelude::*;

/// The new role.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeOrganizationMemberRoleBody")]
pub struct ChangeMemberRoleBody {
    /// The role.
    pub role: OrganizationRole,
}

/// See [`Endpoint::ABOUT`].
pub struct ChangeMemberRole;

impl Endpoint for ChangeMemberRole {
    const ABOUT: About = About::put(
        "organizations.change_member_role",
        "/v1/organizations/{organization_id}/members/{account_id}",
        "Gives a member another role.\n\nOwners are appointed and deposed by owners; one always stays.",
    )
    .who(who::MANAGERS)
    .errors(&["organization_not_found", "role_insufficient", "member_not_found", "last_owner"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = MemberPath;
    type Query = Nothing;
    type Body = ChangeMemberRoleBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let MemberPath { organization_id, account_id } = input.path;
        let organizations = &state.services.organizations;
        let executed = organizations
            .change_member_role(&input.intent.request, organization_id, account_id, input.body.role)
            .await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
