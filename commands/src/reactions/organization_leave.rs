//! Whoever leaves an organization leaves its workspaces and conversations. A membership that was decided on a role read a
//! moment too early is put right by the event of joining.

use async_trait::async_trait;
use domain::conversation::commands::{ConversationCommand, RemoveMember};
use domain::conversation::{Conversation, ConversationEvent};
use domain::organization::OrganizationEvent;
use domain::workspace::commands::{RemoveWorkspaceMember, WorkspaceCommand};
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

const NAME: &str = "organization_leave";

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
        let conversations = Memberships::Conversations.before(&self.pool, account, event).await?;
        let workspaces = Memberships::Workspaces.before(&self.pool, account, event).await?;
        let conversations: Vec<_> = stream::iter(conversations)
            .map(|id| self.leave_conversation(lead, event, ConversationId::from(id), account))
            .buffer_unordered(REACTION_COMMANDS_AT_ONCE)
            .collect()
            .await;
        let workspaces: Vec<_> = stream::iter(workspaces)
            .map(|id| self.leave_workspace(lead, event, WorkspaceId::from(id), account))
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
    ) -> Result<(), ReactionError> {
        let request = self.request(event, id.as_bytes(), account_id);
        let command = ConversationCommand::RemoveMember(RemoveMember { account_id });
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
    ) -> Result<(), ReactionError> {
        let request = self.request(event, id.as_bytes(), account_id);
        let command = RemoveWorkspaceMember { account_id, actor_organization_role: None };
        lead.check()?;
        self.executor.execute::<Workspace>(id, WorkspaceCommand::RemoveMember(command), &request).await?;
        Ok(())
    }

    fn request(&self, event: &RecordedEvent, stream: &[u8; 16], account_id: AccountId) -> Request {
        let target = [stream.as_slice(), account_id.as_bytes()].concat();
        Request::reaction(NAME, event, &target, self.clock.now())
    }

    async fn is_member(&self, event: &RecordedEvent, account_id: AccountId) -> Result<bool, ReactionError> {
        let organization_id = event.origin.organization_id;
        Ok(facts::organization_role(&self.executor, organization_id, account_id).await?.is_some())
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
                if self.is_member(recorded, event.account_id).await? {
                    return Ok(());
                }
                self.leave_conversation(lead, recorded, event.conversation_id, event.account_id).await
            }
            Event::Workspace(WorkspaceEvent::MemberJoined(event)) => {
                if self.is_member(recorded, event.account_id).await? {
                    return Ok(());
                }
                self.leave_workspace(lead, recorded, event.workspace_id, event.account_id).await
            }
            _ => Ok(()),
        }
    }
}
