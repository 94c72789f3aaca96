//! Takes down the memberships in workspaces and conversations of whoever left their organization. They have been worth nothing
//! since the term in the organization ended; with them recipients go, and new generations become due. A membership that was
//! decided on a term read a moment too early is taken down by the event of joining.

use async_trait::async_trait;
use domain::conversation::commands::{ConversationCommand, EndMembership};
use domain::conversation::{Conversation, ConversationEvent, EndedTerms};
use domain::organization::OrganizationEvent;
use domain::workspace::commands::{EndWorkspaceMembership, WorkspaceCommand};
use domain::workspace::{Workspace, WorkspaceEvent};
use domain::{AccountId, ConversationId, Event, WorkspaceId};
use eventstore_schema::RecordedEvent;
use eventstore_schema::database::Pool;
use futures_util::{StreamExt, stream};

use super::membership_index::{self, Memberships};
use super::{Lead, Reaction, ReactionError};
use crate::clock::Clock;
use crate::executor::Executor;
use crate::limits::REACTION_COMMANDS_AT_ONCE;
use crate::request::Request;
use crate::services::facts;

pub(super) const NAME: &str = "organization_leave";

/// The reaction.
pub(super) struct OrganizationLeave {
    executor: Executor,
    pool: Pool,
    clock: Clock,
}

impl OrganizationLeave {
    pub(super) fn new(executor: Executor, pool: Pool, clock: Clock) -> Self {
        Self { executor, pool, clock }
    }

    async fn leave_all(
        &self,
        lead: &Lead,
        event: &RecordedEvent,
        account: AccountId,
    ) -> Result<(), ReactionError> {
        let before = event.revision.get();
        let conversations = Memberships::Conversations.before(&self.pool, account, event).await?;
        let workspaces = Memberships::Workspaces.before(&self.pool, account, event).await?;
        let conversations: Vec<_> = stream::iter(conversations)
            .map(|id| self.leave_conversation(lead, event, ConversationId::from(id), account, before))
            .buffer_unordered(REACTION_COMMANDS_AT_ONCE)
            .collect()
            .await;
        let workspaces: Vec<_> = stream::iter(workspaces)
            .map(|id| self.leave_workspace(lead, event, WorkspaceId::from(id), account, before))
            .buffer_unordered(REACTION_COMMANDS_AT_ONCE)
            .collect()
            .await;
        // One that refuses must not keep the others from letting the account go.
        conversations.into_iter().chain(workspaces).collect()
    }

    async fn leave_conversation(
        &self,
        lead: &Lead,
        event: &RecordedEvent,
        id: ConversationId,
        account_id: AccountId,
        before: u64,
    ) -> Result<(), ReactionError> {
        let request = self.request(event, id.as_bytes(), account_id);
        let ended = EndedTerms::Organization { before };
        let command = ConversationCommand::EndMembership(EndMembership { account_id, ended });
        lead.check()?;
        self.executor.execute::<Conversation>(id, command, &request).await?;
        Ok(())
    }

    async fn leave_workspace(
        &self,
        lead: &Lead,
        event: &RecordedEvent,
        id: WorkspaceId,
        account_id: AccountId,
        organization_before: u64,
    ) -> Result<(), ReactionError> {
        let request = self.request(event, id.as_bytes(), account_id);
        let command = EndWorkspaceMembership { account_id, organization_before };
        lead.check()?;
        self.executor.execute::<Workspace>(id, WorkspaceCommand::EndMembership(command), &request).await?;
        Ok(())
    }

    fn request(&self, event: &RecordedEvent, stream: &[u8; 16], account_id: AccountId) -> Request {
        let target = [stream.as_slice(), account_id.as_bytes()].concat();
        Request::reaction(NAME, event, &target, self.clock.now())
    }

    /// Whether the account's term in the organization of the event is still this one.
    async fn goes_on(
        &self,
        event: &RecordedEvent,
        account_id: AccountId,
        term: u64,
    ) -> Result<bool, ReactionError> {
        let organization_id = event.origin.organization_id;
        let member = facts::in_organization(&self.executor, organization_id, account_id).await?;
        Ok(member.is_some_and(|member| member.term == term))
    }
}

#[async_trait]
impl Reaction for OrganizationLeave {
    fn name(&self) -> &'static str {
        NAME
    }

    fn event_types(&self) -> &'static [&'static str] {
        &["organization.member_removed", "conversation.member_joined", "workspace.member_joined"]
    }

    fn follows(&self) -> &'static [&'static str] {
        &[membership_index::NAME]
    }

    async fn react(&self, lead: &Lead, recorded: &RecordedEvent, event: &Event) -> Result<(), ReactionError> {
        match event {
            Event::Organization(OrganizationEvent::MemberRemoved(event)) => {
                self.leave_all(lead, recorded, event.account_id).await
            }
            Event::Conversation(ConversationEvent::MemberJoined(event)) => {
                let (account_id, term) = (event.account_id, event.organization_term);
                if self.goes_on(recorded, account_id, term).await? {
                    return Ok(());
                }
                let before = term.saturating_add(1);
                self.leave_conversation(lead, recorded, event.conversation_id, account_id, before).await
            }
            Event::Workspace(WorkspaceEvent::MemberJoined(event)) => {
                let (account_id, term) = (event.account_id, event.organization_term);
                if self.goes_on(recorded, account_id, term).await? {
                    return Ok(());
                }
                let before = term.saturating_add(1);
                self.leave_workspace(lead, recorded, event.workspace_id, account_id, before).await
            }
            _ => Ok(()),
        }
    }
}
