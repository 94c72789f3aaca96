//! Facts that one aggregate's commands carry about another, read from the log just before.
//!
//! A fact may be out of date when the command is recorded. Where that matters, a reaction looks again afterwards.

use std::collections::HashMap;

use domain::conversation::Recipient;
use domain::conversation::commands::Candidate;
use domain::device::DeviceSet;
use domain::organization::{Organization, OrganizationRole};
use domain::{AccountId, OrganizationId};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::executor::{ExecuteError, Executor};

/// Device sets that are read at the same time: enough to hide the round trips, few enough to leave the log's pool to others.
const READS_AT_ONCE_MAX: usize = 16;

/// An account's role in an organization; `None` when it is no member or there is no such organization.
pub(crate) async fn organization_role(
    executor: &Executor,
    organization_id: Option<OrganizationId>,
    account_id: AccountId,
) -> Result<Option<OrganizationRole>, ExecuteError> {
    let Some(organization_id) = organization_id else { return Ok(None) };
    executor.view::<Organization, _>(organization_id, move |state, _| state.role(account_id)).await
}

/// The active recipients of an account.
pub(crate) async fn recipients(
    executor: &Executor,
    account_id: AccountId,
) -> Result<Vec<Recipient>, ExecuteError> {
    executor.view::<DeviceSet, _>(account_id, |state, _| state.active_recipients()).await
}

/// Members to be, with their roles and recipients, in the order given.
pub(crate) async fn candidates(
    executor: &Executor,
    organization_id: Option<OrganizationId>,
    account_ids: Vec<AccountId>,
) -> Result<Vec<Candidate>, ExecuteError> {
    let roles = match organization_id {
        None => HashMap::new(),
        Some(organization_id) => {
            let asked = account_ids.clone();
            let look = move |state: &Organization, _| {
                asked.iter().filter_map(|id| Some((*id, state.role(*id)?))).collect::<HashMap<_, _>>()
            };
            executor.view(organization_id, look).await?
        }
    };
    let candidates = account_ids.into_iter().map(|account_id| {
        let organization_role = roles.get(&account_id).copied();
        async move {
            // Whoever is no member is refused whatever their devices: there is no need to read those.
            let recipients = match organization_role {
                Some(_) => recipients(executor, account_id).await?,
                None => Vec::new(),
            };
            Ok(Candidate { account_id, organization_role, recipients })
        }
    });
    stream::iter(candidates).buffered(READS_AT_ONCE_MAX).try_collect().await
}
