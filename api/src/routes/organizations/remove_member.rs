//! `DELETE /v1/organizations/{organization_id}/members/{account_id}`

use super::MemberPath;

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct RemoveMember;

impl Endpoint for RemoveMember {
    const ABOUT: About = About::delete(
        "organizations.remove_member",
        "/v1/organizations/{organization_id}/members/{account_id}",
        "Removes a member, or leaves.\n\nTheir workspaces and conversations follow shortly after.",
    )
    .who(who::MANAGERS)
    .errors(&["organization_not_found", "role_insufficient", "member_not_found", "last_owner"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = MemberPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let MemberPath { organization_id, account_id } = input.path;
        let executed = state
            .services
            .organizations
            .remove_member(&input.intent.request, organization_id, account_id)
            .await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
