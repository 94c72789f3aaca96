//! `POST /v1/organizations/{organization_id}/invitations`

use super::OrganizationPath;
use commands::services::NewInvitation;
use domain::organization::OrganizationRole;
use domain::{InvitationId, Timestamp};

use crate::endpoint::prelude::*;

/// The new invitation.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInvitationBody {
    /// As what the invited join.
    pub role: OrganizationRole,
    /// How many may use it.
    #[schemars(range(min = 1, max = domain::limits::INVITATION_USES_MAX))]
    pub uses_max: u32,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// The new invitation.
#[derive(Serialize, JsonSchema)]
pub struct CreateInvitationAnswer {
    /// Its id.
    pub invitation_id: InvitationId,
    /// Lets people in: hand it over in confidence.
    pub token: String,
}

/// See [`Endpoint::ABOUT`].
pub struct CreateInvitation;

impl Endpoint for CreateInvitation {
    const ABOUT: About = About::post(
        "organizations.create_invitation",
        "/v1/organizations/{organization_id}/invitations",
        "Makes an invitation.\n\nIts token lets people in and is shown here only; a retry is answered with the same.",
    )
    .who(who::MANAGERS)
    .errors(&["organization_not_found", "role_insufficient", "invitation_limit"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = OrganizationPath;
    type Query = Nothing;
    type Body = CreateInvitationBody;
    type Answer = CreateInvitationAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<CreateInvitationAnswer>, Problem> {
        let CreateInvitationBody { role, uses_max, expires_at } = input.body;
        let new = NewInvitation { role, uses_max, expires_at };
        let organizations = &state.services.organizations;
        let invited =
            organizations.create_invitation(&input.intent.request, input.path.organization_id, new).await?;
        let token = invited.token.expose().to_string();
        Ok(Reply::of(
            &invited.executed,
            CreateInvitationAnswer { invitation_id: invited.invitation_id, token },
        ))
    }
}
