//! `POST /v1/organizations/{organization_id}/workspaces`

use crate::routes::organizations::OrganizationPath;
use domain::WorkspaceId;
use domain::workspace::WorkspaceProfile;

use crate::endpoint::prelude::*;

/// The new workspace.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWorkspaceBody {
    /// Name to show.
    #[schemars(length(min = 1, max = domain::limits::NAME_CHARS_MAX))]
    pub name: String,
    /// What it is for.
    #[schemars(length(min = 1, max = domain::limits::DESCRIPTION_CHARS_MAX))]
    pub description: Option<String>,
}

/// The new workspace.
#[derive(Serialize, JsonSchema)]
pub struct CreateWorkspaceAnswer {
    /// Its id.
    pub workspace_id: WorkspaceId,
}

/// See [`Endpoint::ABOUT`].
pub struct CreateWorkspace;

impl Endpoint for CreateWorkspace {
    const ABOUT: About = About::post(
        "workspaces.create_workspace",
        "/v1/organizations/{organization_id}/workspaces",
        "Creates a workspace.\n\nWhoever does becomes its admin. Guests, auditors and compliance officers may not.",
    )
    .who(who::WORKERS)
    .errors(&["organization_not_found", "role_insufficient", "workspace_exists"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = OrganizationPath;
    type Query = Nothing;
    type Body = CreateWorkspaceBody;
    type Answer = CreateWorkspaceAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<CreateWorkspaceAnswer>, Problem> {
        let CreateWorkspaceBody { name, description } = input.body;
        let profile = WorkspaceProfile { name, description };
        let workspaces = &state.services.workspaces;
        let executed = workspaces.create(&input.intent.request, input.path.organization_id, profile).await?;
        let workspace_id = executed.stream.id.into();
        Ok(Reply::of(&executed, CreateWorkspaceAnswer { workspace_id }))
    }
}
