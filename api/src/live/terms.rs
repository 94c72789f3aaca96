//! What an account's memberships in conversations are worth by now: whether the terms that they rest on go on, by the streams of
//! its organizations and workspaces; and by the conversations' own streams where the read model stands still.

use std::collections::BTreeSet;

use domain::conversation::Conversation;
use domain::organization::Organization;
use domain::workspace::Workspace;
use domain::{AccountId, Category, OrganizationId, WorkspaceId};
use eventstore_schema::{Revision, StreamId};
use futures_util::{StreamExt, TryStreamExt, stream};
use projections::conversations::queries::MembershipSpan;

use super::memberships::Memberships;
use crate::limits::LOOKS_AT_ONCE;
use crate::problem::Problem;
use crate::state::State;

/// The spans as they are by now, and which terms have ended.
///
/// # Errors
/// When something cannot be reached.
pub async fn look(
    state: &State,
    account_id: AccountId,
    spans: Vec<MembershipSpan>,
) -> Result<(Vec<MembershipSpan>, Memberships), Problem> {
    let spans = stream::iter(spans).map(|span| unparked(state, account_id, span));
    let spans: Vec<_> = spans.buffered(LOOKS_AT_ONCE).try_collect().await?;
    let spans: Vec<_> = spans.into_iter().flatten().collect();
    let open = || spans.iter().filter(|span| span.left_position.is_none());
    let organizations: BTreeSet<_> = open().map(|span| span.organization_id).collect();
    let workspaces: BTreeSet<_> = open().filter_map(|span| span.workspace_id).collect();
    let organizations = stream::iter(organizations)
        .map(|id| organization_before(state, account_id, id))
        .buffer_unordered(LOOKS_AT_ONCE)
        .try_collect::<Vec<_>>();
    let workspaces = stream::iter(workspaces)
        .map(|id| workspace_now(state, account_id, id))
        .buffer_unordered(LOOKS_AT_ONCE)
        .try_collect::<Vec<_>>();
    let (organizations, workspaces) = futures_util::future::try_join(organizations, workspaces).await?;
    let mut ended = Memberships::default();
    for (id, before) in organizations {
        ended.end_organization(id, before);
    }
    for (id, before, is_archived) in workspaces {
        ended.end_workspace(id, before);
        if is_archived {
            ended.archive(id);
        }
    }
    Ok((spans, ended))
}

/// Before which revision a term has to have begun to have ended: that of the present one, or any so far for who is no member.
fn before(term: Option<u64>, revision: Option<Revision>) -> u64 {
    term.unwrap_or_else(|| revision.map_or(0, |revision| revision.plus(1).get()))
}

async fn organization_before(
    state: &State,
    account_id: AccountId,
    id: OrganizationId,
) -> Result<(OrganizationId, u64), Problem> {
    let look = move |organization: &Organization, revision| {
        before(organization.member(account_id).map(|member| member.term), revision)
    };
    Ok((id, state.services.executor.view(id, look).await?))
}

/// The same of a workspace, and whether it is archived.
async fn workspace_now(
    state: &State,
    account_id: AccountId,
    id: WorkspaceId,
) -> Result<(WorkspaceId, u64, bool), Problem> {
    let look = move |workspace: &Workspace, revision| {
        let term = workspace.recorded(account_id).map(|member| member.term);
        (before(term, revision), workspace.is_archived())
    };
    let (before, is_archived) = state.services.executor.view(id, look).await?;
    Ok((id, before, is_archived))
}

/// The span as it is. Of a conversation that the projection set aside the row may have been overtaken: its stream tells whether
/// the account is a member now, and since when.
async fn unparked(
    state: &State,
    account_id: AccountId,
    span: MembershipSpan,
) -> Result<Option<MembershipSpan>, Problem> {
    if !span.parked {
        return Ok(Some(span));
    }
    let look = move |conversation: &Conversation, _| {
        let joined = conversation.terms(account_id).zip(conversation.joined_revision(account_id));
        joined.zip(conversation.earlier_of(account_id))
    };
    let executor = &state.services.executor;
    let looked = executor.view(span.conversation_id, look).await?;
    let Some(((terms, revision), (earlier_number, history_visibility))) = looked else { return Ok(None) };
    let stream = StreamId::new(Category::Conversation, span.conversation_id);
    let joined = executor.log().read_stream(stream, Revision::new(revision), 1).await?;
    let joined = joined.first().map(|event| MembershipSpan {
        joined_position: event.position,
        left_position: None,
        earlier_number,
        history_visibility,
        organization_term: terms.organization,
        workspace_id: terms.workspace.map(|workspace| workspace.workspace_id),
        workspace_term: terms.workspace.map(|workspace| workspace.term),
        ..span
    });
    Ok(joined)
}
