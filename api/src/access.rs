//! Who may read what: roles as the write side knows them now, so that whoever was removed reads nothing from then on.

use domain::conversation::Conversation;
use domain::organization::{Organization, OrganizationRole};
use domain::workspace::Workspace;
use domain::{AccountId, Aggregate, ConversationId, OrganizationId, Rejection, WorkspaceId};
use projections::Viewer;

use crate::problem::Problem;
use crate::state::State;

/// A member of an organization who reads something of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Who reads, for the queries.
    pub viewer: Viewer,
    /// Their role.
    pub role: OrganizationRole,
}

/// Admits members of the organization.
///
/// # Errors
/// [`Rejection::OrganizationNotFound`] for everybody else.
pub async fn organization(
    state: &State,
    account_id: AccountId,
    organization_id: OrganizationId,
) -> Result<Reading, Problem> {
    let look = move |organization: &Organization, _| organization.role(account_id);
    let role = state.services.executor.view(organization_id, look).await?;
    let role = role.ok_or(Rejection::OrganizationNotFound)?;
    Ok(Reading { viewer: Viewer { account_id, organization_id: Some(organization_id) }, role })
}

/// Admits members of the workspace, and those who manage its organization.
///
/// # Errors
/// [`Rejection::WorkspaceNotFound`] for everybody else.
pub async fn workspace(
    state: &State,
    account_id: AccountId,
    workspace_id: WorkspaceId,
) -> Result<Viewer, Problem> {
    let look = move |workspace: &Workspace, _| (workspace.organization(), workspace.role(account_id));
    let (organization_id, role) = state.services.executor.view(workspace_id, look).await?;
    let organization_id = organization_id.ok_or(Rejection::WorkspaceNotFound)?;
    let Reading { viewer, role: in_organization } =
        organization(state, account_id, organization_id).await.map_err(|problem| {
            if problem.status() == 404 { Rejection::WorkspaceNotFound.into() } else { problem }
        })?;
    if role.is_none() && !in_organization.manages() {
        return Err(Rejection::WorkspaceNotFound.into());
    }
    Ok(viewer)
}

/// Admits members of the conversation, until it is deleted.
///
/// # Errors
/// [`Rejection::ConversationNotFound`] for everybody else.
pub async fn conversation(
    state: &State,
    account_id: AccountId,
    conversation_id: ConversationId,
) -> Result<Viewer, Problem> {
    let look = move |conversation: &Conversation, _| {
        let is_shown = conversation.role(account_id).is_some() && !conversation.is_deleted();
        conversation.organization().filter(|_| is_shown)
    };
    let organization_id = state.services.executor.view(conversation_id, look).await?;
    let organization_id = organization_id.ok_or(Rejection::ConversationNotFound)?;
    Ok(Viewer { account_id, organization_id: Some(organization_id) })
}
