//! Takes down the memberships in a workspace's conversations of whoever left the workspace, as `organization_leave` does for
//! organizations.

use async_trait::async_trait;
use domain::conversation::commands::{ConversationCommand, EndMembership};
use domain::conversation::{Conversation, ConversationEvent, EndedTerms};
use domain::workspace::{Workspace, WorkspaceEvent};
use domain::{AccountId, ConversationId, Event};
use eventstore_schema::RecordedEvent;
use eventstore_schema::database::Pool;
use futures_util::{StreamExt, stream};

use super::membership_index::{self, conversations_in_workspace};
use super::{Lead, Reaction, ReactionError};
use crate::clock::Clock;
use crate::executor::Executor;
use crate::limits::REACTION_COMMANDS_AT_ONCE;
use crate::request::Request;

pub(super) const NAME: &str = "workspace_leave";

/// The reaction.
pub(super) struct WorkspaceLeave {
    executor: Executor,
    pool: Pool,
    clock: Clock,
}

impl WorkspaceLeave {
    pub(super) fn new(executor: Executor, pool: Pool, clock: Clock) -> Self {
        Self { executor, pool, clock }
    }

    async fn leave(
        &self,
        lead: &Lead,
        event: &RecordedEvent,
        id: ConversationId,
        account_id: AccountId,
        ended: EndedTerms,
    ) -> Result<(), ReactionError> {
        let target = [id.as_bytes().as_slice(), account_id.as_bytes()].concat();
        let request = Request::reaction(NAME, event, &target, self.clock.now());
        let command = ConversationCommand::EndMembership(EndMembership { account_id, ended });
        lead.check()?;
        self.executor.execute::<Conversation>(id, command, &request).await?;
        Ok(())
    }
}

#[async_trait]
impl Reaction for WorkspaceLeave {
    fn name(&self) -> &'static str {
        NAME
    }

    fn event_types(&self) -> &'static [&'static str] {
        &["workspace.member_removed", "conversation.member_joined"]
    }

    fn follows(&self) -> &'static [&'static str] {
        &[membership_index::NAME]
    }

    async fn react(&self, lead: &Lead, recorded: &RecordedEvent, event: &Event) -> Result<(), ReactionError> {
        match event {
            Event::Workspace(WorkspaceEvent::MemberRemoved(event)) => {
                let (workspace_id, account_id) = (event.workspace_id, event.account_id);
                let ended = EndedTerms::Workspace { workspace_id, before: recorded.revision.get() };
                let ids = conversations_in_workspace(&self.pool, account_id, workspace_id).await?;
                let left: Vec<_> = stream::iter(ids)
                    .map(|id| self.leave(lead, recorded, ConversationId::from(id), account_id, ended))
                    .buffer_unordered(REACTION_COMMANDS_AT_ONCE)
                    .collect()
                    .await;
                // One that refuses must not keep the others from letting the account go.
                left.into_iter().collect()
            }
            Event::Conversation(ConversationEvent::MemberJoined(event)) => {
                let Some(joined) = event.workspace else { return Ok(()) };
                let (workspace_id, account_id) = (joined.workspace_id, event.account_id);
                let look = move |state: &Workspace, _| state.recorded(account_id).map(|member| member.term);
                if self.executor.view(workspace_id, look).await? == Some(joined.term) {
                    return Ok(());
                }
                let ended = EndedTerms::Workspace { workspace_id, before: joined.term.saturating_add(1) };
                self.leave(lead, recorded, event.conversation_id, account_id, ended).await
            }
            _ => Ok(()),
        }
    }
}
