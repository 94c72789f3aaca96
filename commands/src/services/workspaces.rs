//! Workspaces of an organization.

use domain::organization::OrganizationMember;
use domain::workspace::commands::{
    AddWorkspaceMember, ArchiveWorkspace, ChangeWorkspaceMemberRole, ChangeWorkspaceProfile, CreateWorkspace,
    RemoveWorkspaceMember, WorkspaceCommand,
};
use domain::workspace::{Workspace, WorkspaceEvent, WorkspaceProfile, WorkspaceRole};
use domain::{AccountId, Aggregate, OrganizationId, WorkspaceId};

use super::facts;
use crate::executor::{ExecuteError, Executed, Executor};
use crate::request::Request;

type Answer = Result<Executed<WorkspaceEvent>, ExecuteError>;

/// What people do to workspaces.
#[derive(Clone)]
pub struct Workspaces {
    executor: Executor,
}

impl Workspaces {
    pub(super) fn new(executor: Executor) -> Self {
        Self { executor }
    }

    /// Creates a workspace; the actor becomes its admin. Its id is in [`Executed::stream`].
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn create(
        &self,
        request: &Request,
        organization_id: OrganizationId,
        profile: WorkspaceProfile,
    ) -> Answer {
        let workspace_id = request.created_id("workspace");
        let account_id = request.context.account()?;
        let actor_in_organization =
            facts::in_organization(&self.executor, Some(organization_id), account_id).await?;
        let profile = profile.normal();
        let command = CreateWorkspace { workspace_id, organization_id, profile, actor_in_organization };
        self.execute(request, workspace_id, WorkspaceCommand::Create(command)).await
    }

    /// Replaces what the workspace tells of itself.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn change_profile(
        &self,
        request: &Request,
        workspace_id: WorkspaceId,
        profile: WorkspaceProfile,
    ) -> Answer {
        let actor_in_organization = self.actor(request, workspace_id).await?;
        let profile = profile.normal();
        let command = ChangeWorkspaceProfile { profile, actor_in_organization };
        self.execute(request, workspace_id, WorkspaceCommand::ChangeProfile(command)).await
    }

    /// Adds a member of the organization.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn add_member(
        &self,
        request: &Request,
        workspace_id: WorkspaceId,
        account_id: AccountId,
        role: WorkspaceRole,
    ) -> Answer {
        let organization_id = self.organization(workspace_id).await?;
        let actor = request.context.account()?;
        let actor_in_organization = facts::in_organization(&self.executor, organization_id, actor).await?;
        let member_in_organization =
            facts::in_organization(&self.executor, organization_id, account_id).await?;
        let command = AddWorkspaceMember { account_id, role, member_in_organization, actor_in_organization };
        self.execute(request, workspace_id, WorkspaceCommand::AddMember(command)).await
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn change_member_role(
        &self,
        request: &Request,
        workspace_id: WorkspaceId,
        account_id: AccountId,
        role: WorkspaceRole,
    ) -> Answer {
        let actor_in_organization = self.actor(request, workspace_id).await?;
        let command = ChangeWorkspaceMemberRole { account_id, role, actor_in_organization };
        self.execute(request, workspace_id, WorkspaceCommand::ChangeMemberRole(command)).await
    }

    /// Removes a member, or the actor.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn remove_member(
        &self,
        request: &Request,
        workspace_id: WorkspaceId,
        account_id: AccountId,
    ) -> Answer {
        let actor_in_organization = self.actor(request, workspace_id).await?;
        let command = RemoveWorkspaceMember { account_id, actor_in_organization };
        self.execute(request, workspace_id, WorkspaceCommand::RemoveMember(command)).await
    }

    /// Archives the workspace.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn archive(&self, request: &Request, workspace_id: WorkspaceId) -> Answer {
        let actor_in_organization = self.actor(request, workspace_id).await?;
        let command = ArchiveWorkspace { actor_in_organization };
        self.execute(request, workspace_id, WorkspaceCommand::Archive(command)).await
    }

    async fn organization(&self, id: WorkspaceId) -> Result<Option<OrganizationId>, ExecuteError> {
        self.executor.view::<Workspace, _>(id, |state, _| state.organization()).await
    }

    async fn actor(
        &self,
        request: &Request,
        workspace_id: WorkspaceId,
    ) -> Result<Option<OrganizationMember>, ExecuteError> {
        let account_id = request.context.account()?;
        let organization_id = self.organization(workspace_id).await?;
        facts::in_organization(&self.executor, organization_id, account_id).await
    }

    async fn execute(&self, request: &Request, id: WorkspaceId, command: WorkspaceCommand) -> Answer {
        self.executor.execute::<Workspace>(id, command, request).await
    }
}
