//! `PUT /v1/organizations/{organization_id}/profile`

use super::OrganizationPath;
use domain::organization::OrganizationProfile;

use crate::endpoint::prelude::*;

/// The new profile.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeOrganizationProfileBody")]
pub struct ChangeProfileBody {
    /// Name to show.
    #[schemars(length(min = 1, max = domain::limits::NAME_CHARS_MAX))]
    pub name: String,
}

/// See [`Endpoint::ABOUT`].
pub struct ChangeProfile;

impl Endpoint for ChangeProfile {
    const ABOUT: About = About::put(
        "organizations.change_profile",
        "/v1/organizations/{organization_id}/profile",
        "Replaces what an organization tells of itself.",
    )
    .who(who::MANAGERS)
    .errors(&["organization_not_found", "role_insufficient"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = OrganizationPath;
    type Query = Nothing;
    type Body = ChangeProfileBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let profile = OrganizationProfile { name: input.body.name };
        let executed = state
            .services
            .organizations
            .change_profile(&input.intent.request, input.path.organization_id, profile)
            .await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
