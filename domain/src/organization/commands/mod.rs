//! What can be asked of an organization.

use crate::{AccountId, Digest, InvitationId, OrganizationId, Timestamp};

use super::{OrganizationProfile, OrganizationRole};

/// A command to an organization.
#[derive(Clone, Debug)]
pub enum OrganizationCommand {
    /// See [`CreateOrganization`].
    Create(CreateOrganization),
    /// See [`ChangeOrganizationProfile`].
    ChangeProfile(ChangeOrganizationProfile),
    /// See [`ChangeMemberRole`].
    ChangeMemberRole(ChangeMemberRole),
    /// See [`RemoveMember`].
    RemoveMember(RemoveMember),
    /// See [`CreateInvitation`].
    CreateInvitation(CreateInvitation),
    /// See [`RevokeInvitation`].
    RevokeInvitation(RevokeInvitation),
    /// See [`AcceptInvitation`].
    AcceptInvitation(AcceptInvitation),
}

/// Founds the organization; whoever gives the command becomes its owner.
#[derive(Clone, Debug)]
pub struct CreateOrganization {
    /// The new organization.
    pub organization_id: OrganizationId,
    /// What it tells of itself.
    pub profile: OrganizationProfile,
}

/// Replaces what the organization tells of itself.
#[derive(Clone, Debug)]
pub struct ChangeOrganizationProfile {
    /// The new profile.
    pub profile: OrganizationProfile,
}

/// Gives a member another role.
#[derive(Clone, Debug)]
pub struct ChangeMemberRole {
    /// The member.
    pub account_id: AccountId,
    /// The role.
    pub role: OrganizationRole,
}

/// Removes a member, or oneself.
#[derive(Clone, Debug)]
pub struct RemoveMember {
    /// The member.
    pub account_id: AccountId,
}

/// Makes an invitation.
#[derive(Clone, Debug)]
pub struct CreateInvitation {
    /// The invitation.
    pub invitation_id: InvitationId,
    /// As what the invited join.
    pub role: OrganizationRole,
    /// BLAKE3 of the secret.
    pub token_hash: Digest,
    /// How many may use it.
    pub uses_max: u32,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// Withdraws an invitation.
#[derive(Clone, Debug)]
pub struct RevokeInvitation {
    /// The invitation.
    pub invitation_id: InvitationId,
}

/// Joins by an invitation.
#[derive(Clone, Debug)]
pub struct AcceptInvitation {
    /// The invitation.
    pub invitation_id: InvitationId,
    /// BLAKE3 of the secret presented.
    pub token_hash: Digest,
}
