//! Tables of the workspaces.

use domain::workspace::WorkspaceRole;
use domain::{AccountId, OrganizationId, Timestamp, WorkspaceId};
use eventstore_schema::SealedCell;

crate::table! {
    /// A workspace.
    pub struct Workspace in "workspaces" visible Organization {
        key {
            /// Its id.
            workspace_id: WorkspaceId,
        }
        columns {
            /// Its organization.
            organization_id: OrganizationId,
            /// Who created it.
            creator: AccountId,
            /// [`domain::workspace::WorkspaceProfile`], sealed.
            profile: SealedCell,
            /// Members there are.
            members: u32,
            /// When it was created.
            created_at: Timestamp,
            /// When it was archived.
            archived_at: Option<Timestamp>,
        }
        indexes ["organization_id, workspace_id"]
    }
}

crate::table! {
    /// Somebody's membership in a workspace; it stays when they leave.
    pub struct WorkspaceMembership in "workspace_memberships" visible OrganizationOrAccount {
        key {
            /// Where.
            workspace_id: WorkspaceId,
            /// Who.
            account_id: AccountId,
        }
        columns {
            /// The workspace's organization.
            organization_id: OrganizationId,
            /// As what.
            role: WorkspaceRole,
            /// Revision of the event by which they joined, last.
            term: u64,
            /// Their term in the organization, which the membership ends with.
            organization_term: u64,
            /// Since when, last.
            joined_at: Timestamp,
            /// When they left; none for members.
            removed_at: Option<Timestamp>,
            /// Who decided that they leave; none for the platform.
            removed_by: Option<AccountId>,
        }
        indexes ["account_id, workspace_id"]
    }
}
