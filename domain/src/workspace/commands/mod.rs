//! What can be asked of a workspace.

use crate::organization::OrganizationRole;
use crate::{AccountId, OrganizationId, WorkspaceId};

use super::{WorkspaceProfile, WorkspaceRole};

/// A command to a workspace. `*_organization_role` fields are facts that the caller read from the organization's stream
/// just before; `None` says that the account is no member of the organization.
#[derive(Clone, Debug)]
pub enum WorkspaceCommand {
    /// See [`CreateWorkspace`].
    Create(CreateWorkspace),
    /// See [`ChangeWorkspaceProfile`].
    ChangeProfile(ChangeWorkspaceProfile),
    /// See [`AddWorkspaceMember`].
    AddMember(AddWorkspaceMember),
    /// See [`ChangeWorkspaceMemberRole`].
    ChangeMemberRole(ChangeWorkspaceMemberRole),
    /// See [`RemoveWorkspaceMember`].
    RemoveMember(RemoveWorkspaceMember),
    /// See [`ArchiveWorkspace`].
    Archive(ArchiveWorkspace),
}

/// Creates the workspace; its creator becomes its admin. Owners, admins and members of the organization may.
#[derive(Clone, Debug)]
pub struct CreateWorkspace {
    /// The new workspace.
    pub workspace_id: WorkspaceId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// What it tells of itself.
    pub profile: WorkspaceProfile,
    /// The creator's role in the organization.
    pub actor_organization_role: Option<OrganizationRole>,
}

/// Replaces what the workspace tells of itself.
#[derive(Clone, Debug)]
pub struct ChangeWorkspaceProfile {
    /// The new profile.
    pub profile: WorkspaceProfile,
    /// The actor's role in the organization.
    pub actor_organization_role: Option<OrganizationRole>,
}

/// Adds a member of the organization.
#[derive(Clone, Debug)]
pub struct AddWorkspaceMember {
    /// Who is added.
    pub account_id: AccountId,
    /// As what.
    pub role: WorkspaceRole,
    /// The role of the added account in the organization.
    pub member_organization_role: Option<OrganizationRole>,
    /// The actor's role in the organization.
    pub actor_organization_role: Option<OrganizationRole>,
}

/// Gives a member another role.
#[derive(Clone, Debug)]
pub struct ChangeWorkspaceMemberRole {
    /// The member.
    pub account_id: AccountId,
    /// The role.
    pub role: WorkspaceRole,
    /// The actor's role in the organization.
    pub actor_organization_role: Option<OrganizationRole>,
}

/// Removes a member, or oneself. The platform itself may, when the account left the organization.
#[derive(Clone, Debug)]
pub struct RemoveWorkspaceMember {
    /// The member.
    pub account_id: AccountId,
    /// The actor's role in the organization.
    pub actor_organization_role: Option<OrganizationRole>,
}

/// Archives the workspace.
#[derive(Clone, Debug)]
pub struct ArchiveWorkspace {
    /// The actor's role in the organization.
    pub actor_organization_role: Option<OrganizationRole>,
}
