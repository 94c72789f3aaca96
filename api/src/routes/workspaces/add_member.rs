//! `POST /v1/workspaces/{workspace_id}/members`

use super::WorkspacePath;
use domain::AccountId;
use domain::workspace::WorkspaceRole;

use crate::endpoint::prelude::*;

/// The new member.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AddWorkspaceMemberBody")]
pub struct AddMemberBody {
    /// Who.
    pub account_id: AccountId,
    /// As what.
    pub role: WorkspaceRole,
}

/// See [`Endpoint::ABOUT`].
pub struct AddMember;

impl Endpoint for AddMember {
    const ABOUT: About = About::post(
        "workspaces.add_member",
        "/v1/workspaces/{workspace_id}/members",
        "Adds a member of the organization to a workspace.",
    )
    .who(who::MANAGERS_AND_MODERATORS)
    .status(204)
    .errors(&[
        "workspace_not_found",
        "role_insufficient",
        "not_organization_member",
        "member_exists",
        "workspace_archived",
        "member_limit",
    ]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = WorkspacePath;
    type Query = Nothing;
    type Body = AddMemberBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let AddMemberBody { account_id, role } = input.body;
        let workspaces = &state.services.workspaces;
        let executed =
            workspaces.add_member(&input.intent.request, input.path.workspace_id, account_id, role).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
