//! `PUT /v1/workspaces/{workspace_id}/members/{account_id}`

use super::WorkspaceMemberPath;
use domain::workspace::WorkspaceRole;

use crate::endpoint::prelude::*;

/// The new role.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeWorkspaceMemberRoleBody")]
pub struct ChangeMemberRoleBody {
    /// The role.
    pub role: WorkspaceRole,
}

/// See [`Endpoint::ABOUT`].
pub struct ChangeMemberRole;

impl Endpoint for ChangeMemberRole {
    const ABOUT: About = About::put(
        "workspaces.change_member_role",
        "/v1/workspaces/{workspace_id}/members/{account_id}",
        "Gives a member of a workspace another role.",
    )
    .who(who::MANAGERS_AND_MODERATORS)
    .errors(&[
        "workspace_not_found",
        "role_insufficient",
        "member_not_found",
        "last_admin",
        "workspace_archived",
    ]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = WorkspaceMemberPath;
    type Query = Nothing;
    type Body = ChangeMemberRoleBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let WorkspaceMemberPath { workspace_id, account_id } = input.path;
        let workspaces = &state.services.workspaces;
        let executed = workspaces
            .change_member_role(&input.intent.request, workspace_id, account_id, input.body.role)
            .await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
