//! What happens to a workspace.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codes::codes;
use crate::event::events;
use crate::{AccountId, OrganizationId, WorkspaceId};

use super::WorkspaceProfile;

codes! {
    /// What a member may do in a workspace.
    pub enum WorkspaceRole {
        /// Manages members and settings.
        Admin = 1, "admin";
        /// Takes part.
        Member = 2, "member";
    }
}

events! {
    /// Everything that happens to a workspace.
    pub enum WorkspaceEvent in Workspace as Workspace {
        /// See [`WorkspaceCreated`].
        Created(WorkspaceCreated) = "workspace.created", 1, sealed in WorkspaceProfile;
        /// See [`WorkspaceProfileChanged`].
        ProfileChanged(WorkspaceProfileChanged) = "workspace.profile_changed", 1, sealed in WorkspaceProfile;
        /// See [`WorkspaceMemberJoined`].
        MemberJoined(WorkspaceMemberJoined) = "workspace.member_joined", 1;
        /// See [`WorkspaceMemberRoleChanged`].
        MemberRoleChanged(WorkspaceMemberRoleChanged) = "workspace.member_role_changed", 1;
        /// See [`WorkspaceMemberRemoved`].
        MemberRemoved(WorkspaceMemberRemoved) = "workspace.member_removed", 1;
        /// See [`WorkspaceArchived`].
        Archived(WorkspaceArchived) = "workspace.archived", 1;
    }
}

/// A workspace was created. Its creator's membership as admin is the next event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceCreated {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Who created it.
    pub creator: AccountId,
}

/// Name and description are now the sealed ones, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceProfileChanged {
    /// The workspace.
    pub workspace_id: WorkspaceId,
}

/// Somebody became a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceMemberJoined {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Who.
    pub account_id: AccountId,
    /// As what.
    pub role: WorkspaceRole,
    /// Their term as a member of the organization: the membership ends with it.
    pub organization_term: u64,
}

/// A member has another role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceMemberRoleChanged {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Whose.
    pub account_id: AccountId,
    /// The new role.
    pub role: WorkspaceRole,
}

/// Somebody left or was removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceMemberRemoved {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Who is a member no more.
    pub account_id: AccountId,
    /// Who decided it: the same account for leaving, none for the platform (its owner left the organization).
    pub removed_by: Option<AccountId>,
}

/// The workspace takes no changes any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceArchived {
    /// The workspace.
    pub workspace_id: WorkspaceId,
}
