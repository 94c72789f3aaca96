//! Who may read what: roles as the write side knows them now, so that whoever was removed reads nothing from then on.

use std::collections::{BTreeMap, BTreeSet};

use commands::executor::ExecuteError;
use domain::conversation::{Conversation, HistoryVisibility};
use domain::organization::{Organization, OrganizationMember, OrganizationRole};
use domain::workspace::Workspace;
use domain::{AccountId, Aggregate, ConversationId, OrganizationId, Rejection, WorkspaceId};
use futures_util::{StreamExt, TryStreamExt, stream};
use projections::Viewer;
use projections::conversations::queries::ConversationView;
use projections::workspaces::queries::WorkspaceView;

use crate::limits::LOOKS_AT_ONCE;
use crate::problem::Problem;
use crate::state::State;

/// A member of an organization who reads something of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Who reads, for the queries.
    pub viewer: Viewer,
    /// Their role.
    pub role: OrganizationRole,
    /// Their term.
    pub term: u64,
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
    let look = move |organization: &Organization, _| organization.member(account_id);
    let member = state.services.executor.view(organization_id, look).await?;
    let OrganizationMember { role, term } = member.ok_or(Rejection::OrganizationNotFound)?;
    Ok(Reading { viewer: Viewer { account_id, organization_id: Some(organization_id) }, role, term })
}

/// Those of the organizations that the account is a member of now; read models may not have come as far.
///
/// # Errors
/// When something cannot be reached.
pub async fn memberships<T>(
    state: &State,
    account_id: AccountId,
    rows: Vec<T>,
    organization_of: impl Fn(&T) -> OrganizationId,
) -> Result<Vec<T>, Problem> {
    let rows = stream::iter(rows).map(async |row| {
        let look = move |organization: &Organization, _| organization.role(account_id).is_some();
        let is_member = state.services.executor.view(organization_of(&row), look).await?;
        Ok::<_, ExecuteError>(is_member.then_some(row))
    });
    let rows: Vec<_> = rows.buffered(LOOKS_AT_ONCE).try_collect().await?;
    Ok(rows.into_iter().flatten().collect())
}

/// Those of the conversations in the organization that the reader is a member of by terms that go on; read models show a
/// membership until it is taken down. Of those whose rows stand still the streams tell.
///
/// # Errors
/// When something cannot be reached.
pub async fn conversations(
    state: &State,
    reading: &Reading,
    rows: Vec<ConversationView>,
) -> Result<Vec<ConversationView>, Problem> {
    let account_id = reading.viewer.account_id;
    let workspaces: BTreeSet<_> = rows.iter().filter_map(|row| row.workspace_id).collect();
    let terms = stream::iter(workspaces).map(async |id| {
        let look = move |workspace: &Workspace, _| workspace.recorded(account_id).map(|member| member.term);
        Ok::<_, ExecuteError>((id, state.services.executor.view(id, look).await?))
    });
    let terms: BTreeMap<_, _> = terms.buffered(LOOKS_AT_ONCE).try_collect().await?;
    let goes_on = |row: &ConversationView| {
        let in_workspace = row.workspace_id.is_none_or(|id| {
            row.workspace_term.is_some() && terms.get(&id).copied().flatten() == row.workspace_term
        });
        row.organization_term == reading.term && in_workspace
    };
    let rows = stream::iter(rows.into_iter().filter(goes_on)).map(async |row| {
        let holds = !row.parked || stands(state, account_id, &row).await?;
        Ok::<_, ExecuteError>(holds.then_some(row))
    });
    let rows: Vec<_> = rows.buffered(LOOKS_AT_ONCE).try_collect().await?;
    Ok(rows.into_iter().flatten().collect())
}

/// Whether a row that stands still shows no more than the conversation's own stream does: the account is a member, by the terms of
/// the row, and sees as much of what was before.
async fn stands(state: &State, account_id: AccountId, row: &ConversationView) -> Result<bool, ExecuteError> {
    let look = move |conversation: &Conversation, _| {
        let terms = conversation.terms(account_id).filter(|_| !conversation.is_deleted());
        terms.zip(conversation.earlier_of(account_id))
    };
    let seen = state.services.executor.view(row.conversation_id, look).await?;
    Ok(seen.is_some_and(|(terms, (earlier_number, visibility))| {
        let is_shown = match visibility {
            HistoryVisibility::All => true,
            HistoryVisibility::Joined => row.hidden_up_to >= earlier_number,
        };
        let workspace = terms.workspace.map(|workspace| workspace.term);
        is_shown && terms.organization == row.organization_term && workspace == row.workspace_term
    }))
}

/// Those of the workspaces in the organization that the reader has been a member of for the present term; read models show a
/// membership until it is taken down.
///
/// # Errors
/// When something cannot be reached.
pub async fn workspaces(
    state: &State,
    reading: &Reading,
    rows: Vec<WorkspaceView>,
) -> Result<Vec<WorkspaceView>, Problem> {
    let (account_id, term) = (reading.viewer.account_id, reading.term);
    let rows = stream::iter(rows).map(async |row| {
        let look = move |workspace: &Workspace, _| workspace.recorded(account_id);
        let recorded = state.services.executor.view(row.workspace_id, look).await?;
        let goes_on = recorded.is_some_and(|recorded| recorded.organization_term == term);
        Ok::<_, ExecuteError>(goes_on.then_some(row))
    });
    let rows: Vec<_> = rows.buffered(LOOKS_AT_ONCE).try_collect().await?;
    Ok(rows.into_iter().flatten().collect())
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
    let executor = &state.services.executor;
    let look = move |workspace: &Workspace, _| (workspace.organization(), workspace.recorded(account_id));
    let (organization_id, recorded) = executor.view(workspace_id, look).await?;
    let organization_id = organization_id.ok_or(Rejection::WorkspaceNotFound)?;
    let look = move |organization: &Organization, _| organization.member(account_id);
    let member = executor.view(organization_id, look).await?.ok_or(Rejection::WorkspaceNotFound)?;
    let is_here = recorded.is_some_and(|recorded| recorded.organization_term == member.term);
    if !is_here && !member.role.manages() {
        return Err(Rejection::WorkspaceNotFound.into());
    }
    Ok(Viewer { account_id, organization_id: Some(organization_id) })
}

/// Admits members of the conversation, until it is deleted. Whoever was removed from its organization or workspace is none,
/// whatever the conversation has on record.
///
/// # Errors
/// [`Rejection::ConversationNotFound`] for everybody else.
pub async fn conversation(
    state: &State,
    account_id: AccountId,
    conversation_id: ConversationId,
) -> Result<Viewer, Problem> {
    let look = move |conversation: &Conversation, _| {
        let terms = conversation.terms(account_id).filter(|_| !conversation.is_deleted());
        conversation.organization().zip(terms)
    };
    let services = &state.services;
    let (seen, standing) = tokio::try_join!(
        services.executor.view(conversation_id, look),
        services.conversations.standing(conversation_id, account_id),
    )?;
    let (organization_id, _) =
        seen.filter(|(_, terms)| standing.upholds(terms)).ok_or(Rejection::ConversationNotFound)?;
    Ok(Viewer { account_id, organization_id: Some(organization_id) })
}
