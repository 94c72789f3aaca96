//! `GET /v1/organizations/{organization_id}`

use super::{OrganizationAnswer, OrganizationPath};
use crate::access;
use domain::Rejection;
use projections::organizations::queries;

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct GetOrganization;

impl Endpoint for GetOrganization {
    const ABOUT: About = About::get(
        "organizations.get_organization",
        "/v1/organizations/{organization_id}",
        "Shows an organization.",
    )
    .who(who::ORGANIZATION)
    .errors(&["organization_not_found"])
    .reads(&["organizations"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = OrganizationPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = OrganizationAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<OrganizationAnswer>, Problem> {
        let organization_id = input.path.organization_id;
        let reading = access::organization(state, input.caller.account_id, organization_id).await?;
        let query = async || queries::by_id(&input.intent.reader, &reading.viewer, organization_id).await;
        let row = state.found(Self::ABOUT.reads, query).await?;
        let answer = OrganizationAnswer::all(state, vec![row]).await?.pop();
        answer.map(Reply::new).ok_or_else(|| Rejection::OrganizationNotFound.into())
    }
}
