//! `PUT /v1/workspaces/{workspace_id}/profile`

use super::WorkspacePath;
use domain::workspace::WorkspaceProfile;

use crate::endpoint::prelude::*;

/// The new profile.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeWorkspaceProfileBody")]
pub struct ChangeProfileBody {
    /// Name to show.
    #[schemars(length(min = 1, max = domain::limits::NAME_CHARS_MAX))]
    pub name: String,
    /// What it is for.
    #[schemars(length(min = 1, max = domain::limits::DESCRIPTION_CHARS_MAX))]
    pub description: Option<String>,
}

/// See [`Endpoint::ABOUT`].
pub struct ChangeProfile;

impl Endpoint for ChangeProfile {
    const ABOUT: About = About::put(
        "workspaces.change_profile",
        "/v1/workspaces/{workspace_id}/profile",
        "Replaces what a workspace tells of itself.",
    )
    .who(who::MANAGERS_AND_MODERATORS)
    .errors(&["workspace_not_found", "role_insufficient", "workspace_archived"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = WorkspacePath;
    type Query = Nothing;
    type Body = ChangeProfileBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let ChangeProfileBody { name, description } = input.body;
        let profile = WorkspaceProfile { name, description };
        let executed = state
            .services
            .workspaces
            .change_profile(&input.intent.request, input.path.workspace_id, profile)
            .await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
