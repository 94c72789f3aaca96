//! Queries over the workspaces.

use domain::workspace::WorkspaceRole;
use domain::{AccountId, OrganizationId, Timestamp, WorkspaceId};
use eventstore_schema::{Position, SealedCell};

use crate::cell::Sql;
use crate::reader::{Page, QueryError, Reader, Viewer};

crate::result! {
    /// A workspace.
    pub struct WorkspaceView {
        /// Its id.
        workspace_id: WorkspaceId,
        /// Its organization.
        organization_id: OrganizationId,
        /// [`domain::workspace::WorkspaceProfile`], sealed.
        profile: SealedCell,
        /// Members there are.
        members: u32,
        /// The viewer's role; none for those who manage the organization without being a member here.
        role: Option<WorkspaceRole>,
        /// When it was created.
        created_at: Timestamp,
        /// When it was archived.
        archived_at: Option<Timestamp>,
        /// Position that changed it last.
        position: Position,
    }
}

crate::result! {
    /// A member of a workspace.
    pub struct WorkspaceMemberView {
        /// Who.
        account_id: AccountId,
        /// As what.
        role: WorkspaceRole,
        /// Since when.
        joined_at: Timestamp,
        /// Position that changed it last.
        position: Position,
    }
}

/// Workspaces of the viewer's organization that the viewer is a member of, by id.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn mine(
    reader: &Reader,
    viewer: &Viewer,
    organization_id: OrganizationId,
    page: Page<WorkspaceId>,
) -> Result<Vec<WorkspaceView>, QueryError> {
    const SQL: &str = "SELECT w.workspace_id, w.organization_id, w.profile, w.members, m.role, w.created_at, \
         w.archived_at, greatest(w.position, m.position) AS position \
         FROM read.workspace_memberships AS m JOIN read.workspaces AS w USING (workspace_id) \
         WHERE m.account_id = $1 AND m.organization_id = $2 AND m.removed_at IS NULL \
         AND m.workspace_id > $3 ORDER BY m.workspace_id LIMIT $4";
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&Sql(viewer.account_id), &Sql(organization_id), &Sql(page.behind()), &page.limit()];
    reader.all(viewer, SQL, &parameters).await
}

/// All workspaces of an organization, by id; for those who manage it.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn of_organization(
    reader: &Reader,
    viewer: &Viewer,
    organization_id: OrganizationId,
    page: Page<WorkspaceId>,
) -> Result<Vec<WorkspaceView>, QueryError> {
    const SQL: &str = "SELECT w.workspace_id, w.organization_id, w.profile, w.members, m.role, w.created_at, \
         w.archived_at, greatest(w.position, m.position) AS position \
         FROM read.workspaces AS w LEFT JOIN read.workspace_memberships AS m \
         ON m.workspace_id = w.workspace_id AND m.account_id = $1 AND m.removed_at IS NULL \
         WHERE w.organization_id = $2 AND w.workspace_id > $3 \
         ORDER BY w.workspace_id LIMIT $4";
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&Sql(viewer.account_id), &Sql(organization_id), &Sql(page.behind()), &page.limit()];
    reader.all(viewer, SQL, &parameters).await
}

/// The workspace with this id.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn by_id(
    reader: &Reader,
    viewer: &Viewer,
    workspace_id: WorkspaceId,
) -> Result<Option<WorkspaceView>, QueryError> {
    const SQL: &str = "SELECT w.workspace_id, w.organization_id, w.profile, w.members, m.role, w.created_at, \
         w.archived_at, greatest(w.position, m.position) AS position \
         FROM read.workspaces AS w LEFT JOIN read.workspace_memberships AS m \
         ON m.workspace_id = w.workspace_id AND m.account_id = $1 AND m.removed_at IS NULL \
         WHERE w.workspace_id = $2";
    reader.one(viewer, SQL, &[&Sql(viewer.account_id), &Sql(workspace_id)]).await
}

/// Members of a workspace, by account.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn members(
    reader: &Reader,
    viewer: &Viewer,
    workspace_id: WorkspaceId,
    page: Page<AccountId>,
) -> Result<Vec<WorkspaceMemberView>, QueryError> {
    const SQL: &str = "SELECT account_id, role, joined_at, position FROM read.workspace_memberships \
         WHERE workspace_id = $1 AND removed_at IS NULL AND account_id > $2 \
         ORDER BY account_id LIMIT $3";
    reader.all(viewer, SQL, &[&Sql(workspace_id), &Sql(page.behind()), &page.limit()]).await
}
