//! Facts that one aggregate's commands carry about another: read from the log just before, or taken from what is cached, on
//! condition.
//!
//! A fact may be out of date when the command is recorded. Where that matters, a reaction looks again afterwards.

use std::collections::HashMap;

use domain::conversation::commands::Candidate;
use domain::conversation::{Recipient, Standing, WorkspaceStanding, WorkspaceTerm};
use domain::device::DeviceSet;
use domain::organization::{Organization, OrganizationMember};
use domain::workspace::{Workspace, WorkspaceMember};
use domain::{AccountId, Aggregate, OrganizationId, WorkspaceId};
use eventstore_schema::Condition;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::executor::{ExecuteError, Executor};

/// Device sets that are read at the same time: enough to hide the round trips, few enough to leave the log's pool to others.
const READS_AT_ONCE_MAX: usize = 16;

/// An account as a member of an organization; `None` when it is none or there is no such organization.
pub(crate) async fn in_organization(
    executor: &Executor,
    organization_id: Option<OrganizationId>,
    account_id: AccountId,
) -> Result<Option<OrganizationMember>, ExecuteError> {
    let Some(organization_id) = organization_id else { return Ok(None) };
    executor.view::<Organization, _>(organization_id, move |state, _| state.member(account_id)).await
}

/// What organization and workspace of a conversation say of an account. Both are asked at the same time.
pub(crate) async fn standing(
    executor: &Executor,
    organization_id: OrganizationId,
    workspace_id: Option<WorkspaceId>,
    account_id: AccountId,
) -> Result<Standing, ExecuteError> {
    let (member, workspace) = tokio::try_join!(
        in_organization(executor, Some(organization_id), account_id),
        in_workspace(executor, workspace_id, vec![account_id]),
    )?;
    let workspace = workspace_id.zip(workspace).map(|(id, workspace)| (id, workspace, account_id));
    Ok(standing_of(member, workspace))
}

/// The same, by what is cached: also where the streams that it rests on ended.
pub(crate) fn peek_standing(
    executor: &Executor,
    organization_id: OrganizationId,
    workspace_id: Option<WorkspaceId>,
    account_id: AccountId,
) -> Option<(Standing, Vec<Condition>)> {
    let (member, organization) =
        executor.peek(organization_id, |state: &Organization| state.member(account_id))?;
    let Some(workspace_id) = workspace_id else {
        return Some((standing_of(member, None), vec![organization]));
    };
    let (seen, workspace) =
        executor.peek(workspace_id, |state: &Workspace| SeenWorkspace::of(state, &[account_id]))?;
    Some((standing_of(member, Some((workspace_id, seen, account_id))), vec![organization, workspace]))
}

fn standing_of(
    member: Option<OrganizationMember>,
    workspace: Option<(WorkspaceId, SeenWorkspace, AccountId)>,
) -> Standing {
    let workspace = workspace.map(|(workspace_id, seen, account_id)| WorkspaceStanding {
        term: seen.member(account_id, member).map(|member| WorkspaceTerm { workspace_id, term: member.term }),
        is_archived: seen.is_archived,
    });
    Standing { organization: member.map(|member| member.term), workspace }
}

/// What is seen of a workspace.
pub(crate) struct SeenWorkspace {
    /// The organization that it is part of.
    pub(crate) organization_id: Option<OrganizationId>,
    /// Whether it takes no changes any more.
    pub(crate) is_archived: bool,
    members: HashMap<AccountId, WorkspaceMember>,
}

impl SeenWorkspace {
    fn of(state: &Workspace, account_ids: &[AccountId]) -> Self {
        Self {
            organization_id: state.organization(),
            is_archived: state.is_archived(),
            members: account_ids.iter().filter_map(|id| Some((*id, state.recorded(*id)?))).collect(),
        }
    }

    /// One of the accounts that were asked about, if it is a member by its present term in the organization.
    pub(crate) fn member(
        &self,
        account_id: AccountId,
        in_organization: Option<OrganizationMember>,
    ) -> Option<WorkspaceMember> {
        let member = self.members.get(&account_id).copied()?;
        in_organization.filter(|one| one.term == member.organization_term).map(|_| member)
    }
}

/// A workspace, if one is named, with those of the accounts that are on record as members.
pub(crate) async fn in_workspace(
    executor: &Executor,
    workspace_id: Option<WorkspaceId>,
    account_ids: Vec<AccountId>,
) -> Result<Option<SeenWorkspace>, ExecuteError> {
    let Some(workspace_id) = workspace_id else { return Ok(None) };
    let look = move |state: &Workspace, _| SeenWorkspace::of(state, &account_ids);
    executor.view(workspace_id, look).await.map(Some)
}

/// The active recipients of an account.
pub(crate) async fn recipients(
    executor: &Executor,
    account_id: AccountId,
) -> Result<Vec<Recipient>, ExecuteError> {
    executor.view::<DeviceSet, _>(account_id, |state, _| state.active_recipients()).await
}

/// Members to be, with their memberships and recipients, in the order given; and the workspace, if one is named.
pub(crate) async fn candidates(
    executor: &Executor,
    organization_id: Option<OrganizationId>,
    workspace_id: Option<WorkspaceId>,
    account_ids: Vec<AccountId>,
) -> Result<(Vec<Candidate>, Option<SeenWorkspace>), ExecuteError> {
    let (members, workspace) = tokio::try_join!(
        members(executor, organization_id, account_ids.clone()),
        in_workspace(executor, workspace_id, account_ids.clone()),
    )?;
    let candidates = account_ids.into_iter().map(|account_id| {
        let in_organization = members.get(&account_id).copied();
        let in_workspace =
            workspace.as_ref().and_then(|workspace| workspace.member(account_id, in_organization));
        async move {
            // Whoever is no member is refused whatever their devices: there is no need to read those.
            let recipients = match in_organization {
                Some(_) => recipients(executor, account_id).await?,
                None => Vec::new(),
            };
            Ok::<_, ExecuteError>(Candidate { account_id, in_organization, in_workspace, recipients })
        }
    });
    let candidates = stream::iter(candidates).buffered(READS_AT_ONCE_MAX).try_collect().await?;
    Ok((candidates, workspace))
}

async fn members(
    executor: &Executor,
    organization_id: Option<OrganizationId>,
    account_ids: Vec<AccountId>,
) -> Result<HashMap<AccountId, OrganizationMember>, ExecuteError> {
    let Some(organization_id) = organization_id else { return Ok(HashMap::new()) };
    let look = move |state: &Organization, _| {
        account_ids.iter().filter_map(|id| Some((*id, state.member(*id)?))).collect()
    };
    executor.view(organization_id, look).await
}
