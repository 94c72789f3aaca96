//! `GET /v1/workspaces/{workspace_id}`

use super::{WorkspaceAnswer, WorkspacePath};
use crate::access;
use domain::Rejection;
use projections::workspaces::queries;

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct GetWorkspace;

impl Endpoint for GetWorkspace {
    const ABOUT: About =
        About::get("workspaces.get_workspace", "/v1/workspaces/{workspace_id}", "Shows a workspace.")
            .who(who::MANAGERS_AND_PARTICIPANTS)
            .errors(&["workspace_not_found"])
            .reads(&["workspaces"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = WorkspacePath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = WorkspaceAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<WorkspaceAnswer>, Problem> {
        let workspace_id = input.path.workspace_id;
        let viewer = access::workspace(state, input.caller.account_id, workspace_id).await?;
        let query = async || queries::by_id(&input.intent.reader, &viewer, workspace_id).await;
        let row = state.found(Self::ABOUT.reads, query).await?;
        let answer = WorkspaceAnswer::all(state, vec![row]).await?.pop();
        answer.map(Reply::new).ok_or_else(|| Rejection::WorkspaceNotFound.into())
    }
}
