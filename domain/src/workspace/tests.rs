//! What the tests of workspace rules share.

use crate::organization::{OrganizationMember, OrganizationRole};
use crate::testing::{account, given};
use crate::{AccountId, OrganizationId, WorkspaceId};

use super::commands::CreateWorkspace;
use super::*;

pub(super) const ADMIN: AccountId = account(1);
pub(super) const MEMBER: AccountId = account(2);
pub(super) const STRANGER: AccountId = account(3);
pub(super) const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([40; 16]);
pub(super) const WORKSPACE: WorkspaceId = WorkspaceId::from_bytes([50; 16]);
/// The term in the organization of everybody.
pub(super) const TERM: u64 = 4;
pub(super) const AS_ADMIN: Option<OrganizationMember> = as_role(OrganizationRole::Admin);
pub(super) const AS_MEMBER: Option<OrganizationMember> = as_role(OrganizationRole::Member);
pub(super) const AS_GUEST: Option<OrganizationMember> = as_role(OrganizationRole::Guest);

pub(super) const fn as_role(role: OrganizationRole) -> Option<OrganizationMember> {
    Some(OrganizationMember { role, term: TERM })
}

/// A member who left the organization and joined it again.
pub(super) fn back_again(member: Option<OrganizationMember>) -> Option<OrganizationMember> {
    member.map(|member| OrganizationMember { term: TERM + 3, ..member })
}

pub(super) fn create(role: Option<OrganizationMember>) -> CreateWorkspace {
    CreateWorkspace {
        workspace_id: WORKSPACE,
        organization_id: ORGANIZATION,
        profile: WorkspaceProfile { name: "Design".into(), description: None },
        actor_in_organization: role,
    }
}

pub(super) fn joined(account_id: AccountId, role: WorkspaceRole) -> WorkspaceEvent {
    WorkspaceMemberJoined { workspace_id: WORKSPACE, account_id, role, organization_term: TERM }.into()
}

pub(super) fn created() -> Vec<WorkspaceEvent> {
    let created = WorkspaceCreated { workspace_id: WORKSPACE, organization_id: ORGANIZATION, creator: ADMIN };
    vec![created.into(), joined(ADMIN, WorkspaceRole::Admin)]
}

/// A workspace with an admin and a member.
pub(super) fn populated() -> Workspace {
    given(created().into_iter().chain([joined(MEMBER, WorkspaceRole::Member)]))
}

/// The same, archived.
pub(super) fn archived() -> Workspace {
    let archived = WorkspaceArchived { workspace_id: WORKSPACE };
    given(created().into_iter().chain([joined(MEMBER, WorkspaceRole::Member), archived.into()]))
}
