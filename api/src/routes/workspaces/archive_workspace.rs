//! `POST /v1/workspaces/{workspace_id}/archive`

use super::WorkspacePath;

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct ArchiveWorkspace;

impl Endpoint for ArchiveWorkspace {
    const ABOUT: About = About::post(
        "workspaces.archive_workspace",
        "/v1/workspaces/{workspace_id}/archive",
        "Archives a workspace: it takes no changes any more.",
    )
    .who(who::MANAGERS_AND_MODERATORS)
    .status(204)
    .errors(&["workspace_not_found", "role_insufficient"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = WorkspacePath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let executed =
            state.services.workspaces.archive(&input.intent.request, input.path.workspace_id).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
