//! `DELETE /v1/organizations/{organization_id}/invitations/{invitation_id}`

use super::InvitationPath;

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct RevokeInvitation;

impl Endpoint for RevokeInvitation {
    const ABOUT: About = About::delete(
        "organizations.revoke_invitation",
        "/v1/organizations/{organization_id}/invitations/{invitation_id}",
        "Withdraws an invitation.",
    )
    .who(who::MANAGERS)
    .errors(&["organization_not_found", "role_insufficient", "invitation_invalid"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = InvitationPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let InvitationPath { organization_id, invitation_id } = input.path;
        let executed = state
            .services
            .organizations
            .revoke_invitation(&input.intent.request, organization_id, invitation_id)
            .await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
