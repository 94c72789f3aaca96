//! Brings an account's recipients (devices and recovery key) into its conversations, and takes revoked ones out.
//!
//! It compares what the account has now with what the conversation has now, whatever the event: so it may answer any event
//! again, and a member who joined with recipients read a moment too early is put right by the event of joining itself.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::conversation::commands::{AddRecipient, ConversationCommand, RemoveRecipient};
use domain::conversation::{Conversation, ConversationEvent, Recipient};
use domain::device::DeviceEvent;
use domain::{AccountId, ConversationId, Event, RecipientId};
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

pub(super) const NAME: &str = "device_fanout";

/// The reaction.
pub(super) struct DeviceFanout {
    executor: Executor,
    pool: Pool,
    clock: Clock,
}

impl DeviceFanout {
    pub(super) fn new(executor: Executor, pool: Pool, clock: Clock) -> Self {
        Self { executor, pool, clock }
    }

    async fn everywhere(
        &self,
        lead: &Lead,
        event: &RecordedEvent,
        account_id: AccountId,
    ) -> Result<(), ReactionError> {
        let conversations = Memberships::Conversations.of_account(&self.pool, account_id).await?;
        let recipients = facts::recipients(&self.executor, account_id).await?;
        let answers: Vec<_> = stream::iter(conversations)
            .map(|id| self.settle(lead, event, ConversationId::from(id), account_id, recipients.clone()))
            .buffer_unordered(REACTION_COMMANDS_AT_ONCE)
            .collect()
            .await;
        // A conversation that refuses a device must not keep the others from losing a revoked one.
        answers.into_iter().collect()
    }

    /// Makes the conversation's recipients of an account those that the account has.
    async fn settle(
        &self,
        lead: &Lead,
        event: &RecordedEvent,
        id: ConversationId,
        account_id: AccountId,
        recipients: Vec<Recipient>,
    ) -> Result<(), ReactionError> {
        let look = move |state: &Conversation, _| {
            let member = state.role(account_id).is_some() && !state.is_deleted();
            member.then(|| state.recipients_of(account_id).map(|one| one.recipient_id).collect::<Vec<_>>())
        };
        let Some(present) = self.executor.view(id, look).await? else { return Ok(()) };
        let mut missing: BTreeMap<_, _> = recipients.into_iter().map(|one| (one.recipient_id, one)).collect();
        for recipient_id in present {
            if missing.remove(&recipient_id).is_none() {
                let command = RemoveRecipient { account_id, recipient_id };
                let command = ConversationCommand::RemoveRecipient(command);
                self.give(lead, event, id, "remove", recipient_id, command).await?;
            }
        }
        for (recipient_id, recipient) in missing {
            let command = AddRecipient { account_id, recipient };
            let command = ConversationCommand::AddRecipient(command);
            self.give(lead, event, id, "add", recipient_id, command).await?;
        }
        Ok(())
    }

    async fn give(
        &self,
        lead: &Lead,
        event: &RecordedEvent,
        id: ConversationId,
        verb: &str,
        recipient_id: RecipientId,
        command: ConversationCommand,
    ) -> Result<(), ReactionError> {
        let target = [id.as_bytes().as_slice(), recipient_id.as_bytes(), verb.as_bytes()].concat();
        let request = Request::reaction(NAME, event, &target, self.clock.now());
        lead.check()?;
        self.executor.execute::<Conversation>(id, command, &request).await?;
        Ok(())
    }
}

#[async_trait]
impl Reaction for DeviceFanout {
    fn name(&self) -> &'static str {
        NAME
    }

    fn event_types(&self) -> &'static [&'static str] {
        &["device.identity_published", "device.enrolled", "device.revoked", "conversation.member_joined"]
    }

    fn follows(&self) -> &'static [&'static str] {
        &[membership_index::NAME]
    }

    async fn react(&self, lead: &Lead, recorded: &RecordedEvent, event: &Event) -> Result<(), ReactionError> {
        match event {
            Event::Device(DeviceEvent::IdentityPublished(event)) => {
                self.everywhere(lead, recorded, event.account_id).await
            }
            Event::Device(DeviceEvent::Enrolled(event)) => {
                self.everywhere(lead, recorded, event.account_id).await
            }
            Event::Device(DeviceEvent::Revoked(event)) => {
                self.everywhere(lead, recorded, event.account_id).await
            }
            Event::Conversation(ConversationEvent::MemberJoined(event)) => {
                let recipients = facts::recipients(&self.executor, event.account_id).await?;
                if same(&recipients, &event.recipients) {
                    return Ok(());
                }
                self.settle(lead, recorded, event.conversation_id, event.account_id, recipients).await
            }
            _ => Ok(()),
        }
    }
}

/// Whether the same recipients are meant, in whatever order.
fn same(left: &[Recipient], right: &[Recipient]) -> bool {
    let ids = |recipients: &[Recipient]| {
        let mut ids: Vec<_> = recipients.iter().map(|one| one.recipient_id).collect();
        ids.sort_unstable();
        ids
    };
    ids(left) == ids(right)
}
