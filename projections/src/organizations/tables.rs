//! Tables of the organizations.

use domain::organization::OrganizationRole;
use domain::{AccountId, Digest, InvitationId, OrganizationId, Timestamp};
use eventstore_schema::SealedCell;

crate::table! {
    /// An organization.
    pub struct Organization in "organizations" visible Where(
        "organization_id = (SELECT nullif(current_setting('envoi.organization', true), '')::uuid) \
         OR EXISTS (SELECT FROM {schema}.organization_memberships AS membership \
         WHERE membership.organization_id = organizations.organization_id AND membership.removed_at IS NULL \
         AND membership.account_id = (SELECT nullif(current_setting('envoi.account', true), '')::uuid))"
    ) {
        key {
            /// Its id.
            organization_id: OrganizationId,
        }
        columns {
            /// Who founded it.
            founder: AccountId,
            /// [`domain::organization::OrganizationProfile`], sealed.
            profile: SealedCell,
            /// Members there are.
            members: u32,
            /// When it was founded.
            created_at: Timestamp,
        }
    }
}

crate::table! {
    /// Somebody's membership in an organization; it stays when they leave.
    pub struct OrganizationMembership in "organization_memberships" visible OrganizationOrAccount {
        key {
            /// Where.
            organization_id: OrganizationId,
            /// Who.
            account_id: AccountId,
        }
        columns {
            /// As what.
            role: OrganizationRole,
            /// Revision of the event by which they joined, last.
            term: u64,
            /// By which invitation, last.
            invitation_id: Option<InvitationId>,
            /// Since when, last.
            joined_at: Timestamp,
            /// When they left; none for members.
            removed_at: Option<Timestamp>,
            /// Who decided that they leave.
            removed_by: Option<AccountId>,
        }
        indexes ["account_id, organization_id"]
    }
}

crate::table! {
    /// An invitation into an organization.
    pub struct OrganizationInvitation in "organization_invitations" visible Organization {
        key {
            /// The invitation.
            invitation_id: InvitationId,
        }
        columns {
            /// Into which organization.
            organization_id: OrganizationId,
            /// As what the invited join.
            role: OrganizationRole,
            /// BLAKE3 of its secret.
            token_hash: Digest,
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
        }
        indexes ["organization_id, invitation_id"]
    }
}
