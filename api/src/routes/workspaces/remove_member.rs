//! `DELETE /v1/workspaces/{workspace_id}/members/{account_id}`

use super::WorkspaceMemberPath;

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct RemoveMember;

impl Endpoint for RemoveMember {
    const ABOUT: About = About::delete(
        "workspaces.remove_member",
        "/v1/workspaces/{workspace_id}/members/{account_id}",
        "Removes a member of a workspace, or leaves it.",
    )
    .who(who::MANAGERS_AND_MODERATORS)
    .errors(&["workspace_not_found", "role_insufficient", "member_not_found", "last_admin"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = WorkspaceMemberPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let WorkspaceMemberPath { workspace_id, account_id } = input.path;
        let executed =
            state.services.workspaces.remove_member(&input.intent.request, workspace_id, account_id).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
