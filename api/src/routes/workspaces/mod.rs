//! Workspaces and their members.

use domain::{AccountId, WorkspaceId};
use schemars::JsonSchema;
use serde::Deserialize;

pub mod add_member;
pub mod archive_workspace;
pub mod change_member_role;
pub mod change_profile;
pub mod create_workspace;
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
