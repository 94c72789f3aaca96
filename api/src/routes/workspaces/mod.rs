//! Workspaces and their members.

use domain::workspace::{WorkspaceProfile, WorkspaceRole};
use domain::{AccountId, OrganizationId, Timestamp, WorkspaceId};
use eventstore_schema::Opened;
use projections::workspaces::queries::WorkspaceView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::state::State;

pub mod add_member;
pub mod archive_workspace;
pub mod change_member_role;
pub mod change_profile;
pub mod create_workspace;
pub mod get_workspace;
pub mod list_members;
pub mod list_workspaces;
pub mod remove_member;

/// Names a workspace.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct WorkspacePath {
    /// The workspace.
    pub workspace_id: WorkspaceId,
}

/// Names a member of a workspace.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct WorkspaceMemberPath {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The member.
    pub account_id: AccountId,
}

/// A workspace as somebody who may know of it sees it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Workspace")]
pub struct WorkspaceAnswer {
    /// Its id.
    pub workspace_id: WorkspaceId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Name to show; null when erased.
    pub name: Option<String>,
    /// What it is for; null when nothing is told, or erased.
    pub description: Option<String>,
    /// Whether name and description were erased.
    pub erased: bool,
    /// Members there are.
    pub members: u32,
    /// The caller's role; null for those who manage the organization without being a member here.
    pub role: Option<WorkspaceRole>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was archived.
    pub archived_at: Option<Timestamp>,
}

impl WorkspaceAnswer {
    /// Opens a page of rows.
    ///
    /// # Errors
    /// When a key cannot be reached.
    pub async fn all(state: &State, rows: Vec<WorkspaceView>) -> Result<Vec<Self>, Problem> {
        let profiles = state.open::<WorkspaceProfile>(rows.iter().map(|row| row.profile.clone())).await?;
        Ok(rows.into_iter().zip(profiles).map(Self::from).collect())
    }
}

impl From<(WorkspaceView, Opened<WorkspaceProfile>)> for WorkspaceAnswer {
    fn from((row, profile): (WorkspaceView, Opened<WorkspaceProfile>)) -> Self {
        let erased = profile == Opened::Erased;
        let profile = profile.clear();
        Self {
            workspace_id: row.workspace_id,
            organization_id: row.organization_id,
            description: profile.as_ref().and_then(|profile| profile.description.clone()),
            name: profile.map(|profile| profile.name),
            erased,
            members: row.members,
            role: row.role,
            created_at: row.created_at,
            archived_at: row.archived_at,
        }
    }
}
