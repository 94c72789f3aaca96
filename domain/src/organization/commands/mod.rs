//! What can be asked of an organization.

mod accept_invitation;
mod change_member_role;
mod change_profile;
mod create;
mod create_invitation;
mod remove_member;
mod revoke_invitation;

pub use accept_invitation::AcceptInvitation;
pub use change_member_role::ChangeMemberRole;
pub use change_profile::ChangeOrganizationProfile;
pub use create::CreateOrganization;
pub use create_invitation::CreateInvitation;
pub use remove_member::RemoveMember;
pub use revoke_invitation::RevokeInvitation;

use crate::command::commands;

use super::{Organization, OrganizationEvent};

commands! {
    /// A command to an organization.
    pub enum OrganizationCommand to Organization yielding OrganizationEvent {
        Create(CreateOrganization);
        ChangeProfile(ChangeOrganizationProfile);
        ChangeMemberRole(ChangeMemberRole);
        RemoveMember(RemoveMember);
        CreateInvitation(CreateInvitation);
        RevokeInvitation(RevokeInvitation);
        AcceptInvitation(AcceptInvitation);
    }
}
