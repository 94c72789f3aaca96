//! Queries over the organizations.

use domain::organization::OrganizationRole;
use domain::{AccountId, InvitationId, OrganizationId, Timestamp};
use eventstore_schema::{Position, SealedCell};

use crate::cell::Sql;
use crate::reader::{Page, QueryError, Reader, Viewer};

crate::result! {
    /// An organization as one of its members sees it.
    pub struct OrganizationView {
        /// Its id.
        organization_id: OrganizationId,
        /// [`domain::organization::OrganizationProfile`], sealed.
        profile: SealedCell,
        /// Members there are.
        members: u32,
        /// The viewer's role.
        role: OrganizationRole,
        /// When it was founded.
        created_at: Timestamp,
        /// Position that changed it last.
        position: Position,
    }
}

crate::result! {
    /// A member of an organization.
    pub struct OrganizationMemberView {
        /// Who.
        account_id: AccountId,
        /// As what.
        role: OrganizationRole,
        /// Since when.
        joined_at: Timestamp,
        /// Position that changed it last.
        position: Position,
    }
}

crate::result! {
    /// An invitation as those who manage it see it; its secret is not kept.
    pub struct InvitationView {
        /// The invitation.
        invitation_id: InvitationId,
        /// As what the invited join.
        role: OrganizationRole,
        /// How many may use it.
        uses_max: u32,
        /// How many have.
        uses: u32,
        /// From when on it is refused.
        expires_at: Timestamp,
        /// Who invited.
        created_by: AccountId,
        /// When.
        created_at: Timestamp,
        /// When it was withdrawn.
        revoked_at: Option<Timestamp>,
        /// Position that changed it last.
        position: Position,
    }
}

crate::result! {
    /// An account's role in an organization.
    pub struct OrganizationRoleView {
        /// The organization.
        organization_id: OrganizationId,
        /// The role.
        role: OrganizationRole,
    }
}

/// All organizations that the account is a member of, with its roles.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn roles(reader: &Reader, account_id: AccountId) -> Result<Vec<OrganizationRoleView>, QueryError> {
    const SQL: &str = "SELECT organization_id, role FROM read.organization_memberships \
         WHERE account_id = $1 AND removed_at IS NULL";
    reader.all(&Viewer { account_id, organization_id: None }, SQL, &[&Sql(account_id)]).await
}

/// Organizations that the viewer is a member of, by id.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn mine(
    reader: &Reader,
    viewer: &Viewer,
    page: Page<OrganizationId>,
) -> Result<Vec<OrganizationView>, QueryError> {
    const SQL: &str = "SELECT o.organization_id, o.profile, o.members, m.role, o.created_at, \
         greatest(o.position, m.position) AS position \
         FROM read.organization_memberships AS m JOIN read.organizations AS o USING (organization_id) \
         WHERE m.account_id = $1 AND m.removed_at IS NULL AND m.organization_id > $2 \
         ORDER BY m.organization_id LIMIT $3";
    reader.all(viewer, SQL, &[&Sql(viewer.account_id), &Sql(page.behind()), &page.limit()]).await
}

/// The organization with this id, if the viewer is a member of it.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn by_id(
    reader: &Reader,
    viewer: &Viewer,
    organization_id: OrganizationId,
) -> Result<Option<OrganizationView>, QueryError> {
    const SQL: &str = "SELECT o.organization_id, o.profile, o.members, m.role, o.created_at, \
         greatest(o.position, m.position) AS position \
         FROM read.organization_memberships AS m JOIN read.organizations AS o USING (organization_id) \
         WHERE m.account_id = $1 AND m.organization_id = $2 AND m.removed_at IS NULL";
    reader.one(viewer, SQL, &[&Sql(viewer.account_id), &Sql(organization_id)]).await
}

/// Members of an organization, by account.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn members(
    reader: &Reader,
    viewer: &Viewer,
    organization_id: OrganizationId,
    page: Page<AccountId>,
) -> Result<Vec<OrganizationMemberView>, QueryError> {
    const SQL: &str = "SELECT account_id, role, joined_at, position FROM read.organization_memberships \
         WHERE organization_id = $1 AND removed_at IS NULL AND account_id > $2 \
         ORDER BY account_id LIMIT $3";
    reader.all(viewer, SQL, &[&Sql(organization_id), &Sql(page.behind()), &page.limit()]).await
}

/// Those of the accounts that are members of an organization, by account. A page at most.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn members_among(
    reader: &Reader,
    viewer: &Viewer,
    organization_id: OrganizationId,
    account_ids: &[AccountId],
) -> Result<Vec<OrganizationMemberView>, QueryError> {
    const SQL: &str = "SELECT account_id, role, joined_at, position FROM read.organization_memberships \
         WHERE organization_id = $1 AND removed_at IS NULL AND account_id = ANY($2) ORDER BY account_id";
    let ids: Vec<uuid::Uuid> = account_ids.iter().map(|id| id.as_uuid()).collect();
    reader.all(viewer, SQL, &[&Sql(organization_id), &ids]).await
}

/// Invitations into an organization, by id.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn invitations(
    reader: &Reader,
    viewer: &Viewer,
    organization_id: OrganizationId,
    page: Page<InvitationId>,
) -> Result<Vec<InvitationView>, QueryError> {
    const SQL: &str = "SELECT invitation_id, role, uses_max, uses, expires_at, created_by, created_at, revoked_at, \
         position FROM read.organization_invitations \
         WHERE organization_id = $1 AND invitation_id > $2 ORDER BY invitation_id LIMIT $3";
    reader.all(viewer, SQL, &[&Sql(organization_id), &Sql(page.behind()), &page.limit()]).await
}
