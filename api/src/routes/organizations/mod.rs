//! Organizations, their members and invitations.

use domain::{AccountId, InvitationId, OrganizationId};
use schemars::JsonSchema;
use serde::Deserialize;

pub mod accept_invitation;
pub mod change_member_role;
pub mod change_profile;
pub mod create_invitation;
pub mod create_organization;
pub mod remove_member;
pub mod revoke_invitation;

/// Names an organization.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct OrganizationPath {
    /// The organization.
    pub organization_id: OrganizationId,
}

/// Names a member of an organization.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct MemberPath {
    /// The organization.
    pub organization_id: OrganizationId,
    /// The member.
    pub account_id: AccountId,
}

/// Names an invitation into an organization.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct InvitationPath {
    /// The organization.
    pub organization_id: OrganizationId,
    /// The invitation.
    pub invitation_id: InvitationId,
}
