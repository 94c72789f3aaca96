//! Organizations: founding, members, invitations.

use std::sync::Arc;

use domain::organization::commands::{
    AcceptInvitation, ChangeMemberRole, ChangeOrganizationProfile, CreateInvitation, CreateOrganization,
    OrganizationCommand, RemoveMember, RevokeInvitation,
};
use domain::organization::{Organization, OrganizationEvent, OrganizationProfile, OrganizationRole};
use domain::{AccountId, InvitationId, OrganizationId, Timestamp};
use eventstore_schema::Sealer;
use eventstore_schema::keyring::Secret;

use super::invitation_token::InvitationToken;
use crate::executor::{ExecuteError, Executed, Executor};
use crate::request::Request;

type Answer = Result<Executed<OrganizationEvent>, ExecuteError>;

/// What people do to organizations.
#[derive(Clone)]
pub struct Organizations {
    executor: Executor,
    sealer: Arc<Sealer>,
}

/// An invitation to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewInvitation {
    /// As what the invited join.
    pub role: OrganizationRole,
    /// How many may use it.
    pub uses_max: u32,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// An invitation that was made.
#[derive(Debug)]
pub struct Invited {
    /// What was recorded.
    pub executed: Executed<OrganizationEvent>,
    /// The invitation.
    pub invitation_id: InvitationId,
    /// What lets people in; a retry is answered with the same.
    pub token: InvitationToken,
}

impl Organizations {
    pub(super) fn new(executor: Executor, sealer: Arc<Sealer>) -> Self {
        Self { executor, sealer }
    }

    /// Founds an organization; the actor becomes its owner. Its id is in [`Executed::stream`].
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn create(&self, request: &Request, profile: OrganizationProfile) -> Answer {
        let organization_id = request.created_id("organization");
        let command =
            OrganizationCommand::Create(CreateOrganization { organization_id, profile: profile.normal() });
        self.execute(request, organization_id, command).await
    }

    /// Replaces what the organization tells of itself.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn change_profile(
        &self,
        request: &Request,
        organization_id: OrganizationId,
        profile: OrganizationProfile,
    ) -> Answer {
        let profile = profile.normal();
        let command = OrganizationCommand::ChangeProfile(ChangeOrganizationProfile { profile });
        self.execute(request, organization_id, command).await
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn change_member_role(
        &self,
        request: &Request,
        organization_id: OrganizationId,
        account_id: AccountId,
        role: OrganizationRole,
    ) -> Answer {
        let command = OrganizationCommand::ChangeMemberRole(ChangeMemberRole { account_id, role });
        self.execute(request, organization_id, command).await
    }

    /// Removes a member, or the actor. Workspaces and conversations follow by a reaction.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn remove_member(
        &self,
        request: &Request,
        organization_id: OrganizationId,
        account_id: AccountId,
    ) -> Answer {
        let command = OrganizationCommand::RemoveMember(RemoveMember { account_id });
        self.execute(request, organization_id, command).await
    }

    /// Makes an invitation.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn create_invitation(
        &self,
        request: &Request,
        organization_id: OrganizationId,
        new: NewInvitation,
    ) -> Result<Invited, ExecuteError> {
        let NewInvitation { role, uses_max, expires_at } = new;
        let invitation_id = request.created_id("invitation");
        let key = self.sealer.keyring().named_secret(Secret::InvitationTokens).await;
        let key = key.map_err(|error| ExecuteError::Unavailable { reason: error.to_string() })?;
        let token = InvitationToken::derive(&key, organization_id, invitation_id);
        let token_hash = token.hash();
        let command = CreateInvitation { invitation_id, role, token_hash, uses_max, expires_at };
        let command = OrganizationCommand::CreateInvitation(command);
        let executed = self.execute(request, organization_id, command).await?;
        Ok(Invited { executed, invitation_id, token })
    }

    /// Withdraws an invitation.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn revoke_invitation(
        &self,
        request: &Request,
        organization_id: OrganizationId,
        invitation_id: InvitationId,
    ) -> Answer {
        let command = OrganizationCommand::RevokeInvitation(RevokeInvitation { invitation_id });
        self.execute(request, organization_id, command).await
    }

    /// Joins the organization that the token is of.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn accept_invitation(&self, request: &Request, token: &InvitationToken) -> Answer {
        let command = AcceptInvitation { invitation_id: token.invitation_id(), token_hash: token.hash() };
        let command = OrganizationCommand::AcceptInvitation(command);
        self.execute(request, token.organization_id(), command).await
    }

    async fn execute(
        &self,
        request: &Request,
        organization_id: OrganizationId,
        command: OrganizationCommand,
    ) -> Answer {
        self.executor.execute::<Organization>(organization_id, command, request).await
    }
}
