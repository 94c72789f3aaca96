//! What happens to an organization.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codes::codes;
use crate::event::events;
use crate::{AccountId, Digest, InvitationId, OrganizationId, Timestamp};

use super::OrganizationProfile;

codes! {
    /// What a member may do in an organization. See `ops/docs/authorization.md` for the whole matrix.
    pub enum OrganizationRole {
        /// Everything, and appoints owners.
        Owner = 1, "owner";
        /// Manages members, workspaces and settings.
        Admin = 2, "admin";
        /// Answers privacy requests.
        ComplianceOfficer = 3, "compliance_officer";
        /// Reads the audit log.
        Auditor = 4, "auditor";
        /// Works in workspaces and conversations.
        Member = 5, "member";
        /// Sees only the workspaces and conversations they were added to.
        Guest = 6, "guest";
    }
}

events! {
    /// Everything that happens to an organization.
    pub enum OrganizationEvent in Organization as Organization {
        /// See [`OrganizationCreated`].
        Created(OrganizationCreated) = "organization.created", 1, sealed in OrganizationProfile;
        /// See [`OrganizationProfileChanged`].
        ProfileChanged(OrganizationProfileChanged) = "organization.profile_changed", 1, sealed in OrganizationProfile;
        /// See [`OrganizationMemberJoined`].
        MemberJoined(OrganizationMemberJoined) = "organization.member_joined", 1;
        /// See [`OrganizationMemberRoleChanged`].
        MemberRoleChanged(OrganizationMemberRoleChanged) = "organization.member_role_changed", 1;
        /// See [`OrganizationMemberRemoved`].
        MemberRemoved(OrganizationMemberRemoved) = "organization.member_removed", 1;
        /// See [`InvitationCreated`].
        InvitationCreated(InvitationCreated) = "organization.invitation_created", 1;
        /// See [`InvitationRevoked`].
        InvitationRevoked(InvitationRevoked) = "organization.invitation_revoked", 1;
    }
}

/// An organization was founded. The founder's membership as owner is the next event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrganizationCreated {
    /// The organization.
    pub organization_id: OrganizationId,
    /// Who founded it.
    pub founder: AccountId,
}

/// Name and description are now the sealed ones, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrganizationProfileChanged {
    /// The organization.
    pub organization_id: OrganizationId,
}

/// Somebody became a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrganizationMemberJoined {
    /// The organization.
    pub organization_id: OrganizationId,
    /// Who.
    pub account_id: AccountId,
    /// As what.
    pub role: OrganizationRole,
    /// By which invitation; none for the founder.
    pub invitation_id: Option<InvitationId>,
}

/// A member has another role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrganizationMemberRoleChanged {
    /// The organization.
    pub organization_id: OrganizationId,
    /// Whose.
    pub account_id: AccountId,
    /// The new role.
    pub role: OrganizationRole,
}

/// Somebody left or was removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrganizationMemberRemoved {
    /// The organization.
    pub organization_id: OrganizationId,
    /// Who is a member no more.
    pub account_id: AccountId,
    /// Who decided it; the same account for leaving.
    pub removed_by: AccountId,
}

/// An invitation was made. Its secret is handed over once, outside Envoi, and known here by its hash only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationCreated {
    /// The organization.
    pub organization_id: OrganizationId,
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
    /// Who invited.
    pub created_by: AccountId,
}

/// An invitation was withdrawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationRevoked {
    /// The organization.
    pub organization_id: OrganizationId,
    /// The invitation.
    pub invitation_id: InvitationId,
}
