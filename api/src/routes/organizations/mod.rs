//! Organizations, their members and invitations.

use domain::organization::{OrganizationProfile, OrganizationRole};
use domain::{AccountId, InvitationId, OrganizationId, Timestamp};
use eventstore_schema::Opened;
use projections::organizations::queries::OrganizationView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::state::State;

pub mod accept_invitation;
pub mod change_member_role;
pub mod change_profile;
pub mod create_invitation;
pub mod create_organization;
pub mod find_people;
pub mod get_organization;
pub mod list_invitations;
pub mod list_members;
pub mod list_organizations;
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

/// An organization as one of its members sees it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Organization")]
pub struct OrganizationAnswer {
    /// Its id.
    pub organization_id: OrganizationId,
    /// Name to show; null when erased.
    pub name: Option<String>,
    /// Whether what it told of itself was erased.
    pub erased: bool,
    /// Members there are.
    pub members: u32,
    /// The caller's role.
    pub role: OrganizationRole,
    /// When it was founded.
    pub created_at: Timestamp,
}

impl OrganizationAnswer {
    /// Opens a page of rows.
    ///
    /// # Errors
    /// When a key cannot be reached.
    pub async fn all(state: &State, rows: Vec<OrganizationView>) -> Result<Vec<Self>, Problem> {
        let profiles = state.open::<OrganizationProfile>(rows.iter().map(|row| row.profile.clone())).await?;
        let answer = |(row, profile): (OrganizationView, Opened<OrganizationProfile>)| Self {
            organization_id: row.organization_id,
            erased: profile == Opened::Erased,
            name: profile.clear().map(|profile| profile.name),
            members: row.members,
            role: row.role,
            created_at: row.created_at,
        };
        Ok(rows.into_iter().zip(profiles).map(answer).collect())
    }
}
