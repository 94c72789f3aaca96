//! `POST /v1/organizations`

use domain::OrganizationId;
use domain::organization::OrganizationProfile;

use crate::endpoint::prelude::*;

/// The new organization.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateOrganizationBody {
    /// Name to show.
    #[schemars(length(min = 1, max = domain::limits::NAME_CHARS_MAX))]
    pub name: String,
}

/// The new organization.
#[derive(Serialize, JsonSchema)]
pub struct CreateOrganizationAnswer {
    /// Its id.
    pub organization_id: OrganizationId,
}

/// See [`Endpoint::ABOUT`].
pub struct CreateOrganization;

impl Endpoint for CreateOrganization {
    const ABOUT: About = About::post(
        "organizations.create_organization",
        "/v1/organizations",
        "Founds an organization.\n\nWhoever does becomes its owner.",
    )
    .who(who::ACCOUNTS)
    .errors(&["organization_exists"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = Nothing;
    type Query = Nothing;
    type Body = CreateOrganizationBody;
    type Answer = CreateOrganizationAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<CreateOrganizationAnswer>, Problem> {
        let profile = OrganizationProfile { name: input.body.name };
        let executed = state.services.organizations.create(&input.intent.request, profile).await?;
        let organization_id = executed.stream.id.into();
        Ok(Reply::of(&executed, CreateOrganizationAnswer { organization_id }))
    }
}
