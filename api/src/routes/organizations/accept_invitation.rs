//! `POST /v1/invitations/accept`

use commands::services::InvitationToken;
use domain::{OrganizationId, Rejection};

use crate::endpoint::prelude::*;

/// An invitation.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptInvitationBody {
    /// What was handed over.
    pub token: String,
}

/// Where it led.
#[derive(Serialize, JsonSchema)]
pub struct AcceptInvitationAnswer {
    /// The organization.
    pub organization_id: OrganizationId,
}

/// See [`Endpoint::ABOUT`].
pub struct AcceptInvitation;

impl Endpoint for AcceptInvitation {
    const ABOUT: About = About::post(
        "organizations.accept_invitation",
        "/v1/invitations/accept",
        "Joins the organization that an invitation is of.",
    )
    .who(who::ACCOUNTS)
    .status(200)
    .errors(&["invitation_invalid", "member_exists", "member_limit"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = Nothing;
    type Query = Nothing;
    type Body = AcceptInvitationBody;
    type Answer = AcceptInvitationAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<AcceptInvitationAnswer>, Problem> {
        let token = InvitationToken::parse(&input.body.token).ok_or(Rejection::InvitationInvalid)?;
        let executed = state.services.organizations.accept_invitation(&input.intent.request, &token).await?;
        Ok(Reply::of(&executed, AcceptInvitationAnswer { organization_id: token.organization_id() }))
    }
}
