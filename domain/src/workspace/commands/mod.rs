//! What can be asked of a workspace.

mod add_member;
mod archive;
mod change_member_role;
mod change_profile;
mod create;
mod end_membership;
mod remove_member;

pub use add_member::AddWorkspaceMember;
pub use archive::ArchiveWorkspace;
pub use change_member_role::ChangeWorkspaceMemberRole;
pub use change_profile::ChangeWorkspaceProfile;
pub use create::CreateWorkspace;
pub use end_membership::EndWorkspaceMembership;
pub use remove_member::RemoveWorkspaceMember;

use crate::command::commands;

use super::{Workspace, WorkspaceEvent};

commands! {
    /// A command to a workspace. `*_in_organization` fields are facts that the caller read from the
    /// organization's stream just before; `None` says that the account is no member of the organization.
    pub enum WorkspaceCommand to Workspace yielding WorkspaceEvent {
        Create(CreateWorkspace);
        ChangeProfile(ChangeWorkspaceProfile);
        AddMember(AddWorkspaceMember);
        ChangeMemberRole(ChangeWorkspaceMemberRole);
        RemoveMember(RemoveWorkspaceMember);
        EndMembership(EndWorkspaceMembership);
        Archive(ArchiveWorkspace);
    }
}
