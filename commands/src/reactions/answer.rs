//! One try to answer an event, and what came of it.

use std::time::Duration;

use domain::operations::commands::DiscardParkedEvent;
use domain::operations::{
    DiscardCause, Operations, OperationsEvent, OperationsId, ParkedEventRetried, reaction_digest,
};
use domain::{Actor, Category, Event, EventId, Payload};
use eventstore_schema::sealing::IMPLIED;
use eventstore_schema::{
    AppendError, CommandRef, Expected, NewEvent, Origin, RecordedEvent, Revision, StreamAppend, StreamId,
    catalogue,
};
use tokio::time::timeout;

use super::ordering::ordering_key;
use super::runner::Runner;
use super::store::{self, Followed};
use super::{Lead, ReactionError};
use crate::limits::REACTION_PROBE_WAIT_MAX;
use crate::request::Request;

/// A revision that no stream reaches: whoever expects it conflicts.
const NO_REVISION: Revision = Revision::new(1 << 52);

/// An event that a reaction answers.
pub(super) struct Item {
    pub(super) recorded: RecordedEvent,
    /// What it says, or why it cannot be read.
    pub(super) event: Result<Event, String>,
    pub(super) key: StreamId,
}

impl Item {
    pub(super) fn of(recorded: RecordedEvent) -> Self {
        let event = catalogue::decode_recorded(&recorded).map_err(|error| error.to_string());
        let key = ordering_key(recorded.stream, event.as_ref().ok());
        Self { recorded, event, key }
    }
}

/// What came of a try.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is answered, or given up.
    Done,
    /// It failed, for the reason given.
    Failed(String),
    /// Something could not be reached, or did not answer in time: only this, or everything.
    Unavailable(String),
    /// Trying again at once does not help.
    Deferred(String),
    /// Nothing can be answered.
    Down(String),
}

impl Runner {
    /// Answers an event, unless it takes longer than `limit`.
    ///
    /// # Errors
    /// When the lead is lost, or its connection fails.
    pub(super) async fn answer(
        &self,
        lead: &Lead,
        item: &Item,
        limit: Duration,
    ) -> Result<Outcome, ReactionError> {
        let follows = self.reaction.follows();
        if !follows.is_empty() {
            match store::followed(lead, follows, item.recorded.position).await? {
                Followed::Past => {}
                Followed::Behind => return Ok(Outcome::Down(format!("{} is behind", follows.join(", ")))),
                Followed::Parked => {
                    return Ok(Outcome::Deferred(format!("{} has set it aside", follows.join(", "))));
                }
            }
        }
        let event = match &item.event {
            Ok(event) => event,
            Err(reason) => return Ok(Outcome::Failed(reason.clone())),
        };
        let answer = match timeout(limit, self.reaction.react(lead, &item.recorded, event)).await {
            Ok(answer) => answer,
            Err(_) => Err(ReactionError::Unavailable(format!("no answer within {} s", limit.as_secs()))),
        };
        let answer = match answer {
            Err(ReactionError::GivenUp(cause)) => self.give_up(lead, &item.recorded, cause).await,
            answer => answer,
        };
        // What failed because somebody else leads by now is theirs.
        if answer.is_err() {
            lead.check()?;
        }
        Ok(match answer {
            Ok(()) => Outcome::Done,
            Err(ReactionError::Failed(reason)) => Outcome::Failed(reason),
            Err(ReactionError::Unavailable(reason)) => Outcome::Unavailable(reason),
            Err(ReactionError::Deferred(reason)) => Outcome::Deferred(reason),
            Err(ReactionError::Down(reason)) => Outcome::Down(reason),
            Err(error @ ReactionError::GivenUp(_)) => Outcome::Failed(error.to_string()),
        })
    }

    /// Records that an event is never answered.
    async fn give_up(
        &self,
        lead: &Lead,
        recorded: &RecordedEvent,
        cause: DiscardCause,
    ) -> Result<(), ReactionError> {
        let name = self.reaction.name();
        tracing::warn!(
            reaction = name, position = %recorded.position, stream = %recorded.stream,
            event_type = recorded.event_type, %cause, "an event is given up"
        );
        let reaction = reaction_digest(name);
        let discard = DiscardParkedEvent { reaction, event_id: recorded.event_id, cause };
        let request = Request::reaction(name, recorded, b"given up", self.clock.now());
        lead.check()?;
        let id = OperationsId::of(&reaction);
        self.executor.execute::<Operations>(id, discard.into(), &request).await?;
        self.count("given_up");
        Ok(())
    }

    /// Whether the log takes appends, of whatever stream: asked with one that conflicts, so that nothing is written.
    pub(super) async fn log_takes_appends(&self) -> bool {
        let reaction = reaction_digest(self.reaction.name());
        let event_id: EventId = self.clock.new_id();
        let event = OperationsEvent::from(ParkedEventRetried { reaction, event_id });
        let Ok(payload) = catalogue::encode(&event) else { return false };
        let origin = Origin {
            organization_id: None,
            actor: Actor::SYSTEM,
            device_id: None,
            correlation_id: self.clock.new_id(),
            causation_id: None,
            recorded_at: self.clock.now(),
        };
        let append = StreamAppend {
            stream: StreamId::new(Category::Operations, OperationsId::of(&reaction)),
            expected: Expected::Exact(NO_REVISION),
            command: CommandRef { id: self.clock.new_id(), fingerprint: IMPLIED },
            origin,
            events: vec![NewEvent {
                event_id,
                event_type: ParkedEventRetried::NAME,
                version: ParkedEventRetried::VERSION,
                payload,
                key_ref: None,
                sealed: None,
            }],
            conditions: Vec::new(),
        };
        let answer = timeout(REACTION_PROBE_WAIT_MAX, self.log.append(append)).await;
        matches!(answer, Ok(Err(AppendError::Conflict { .. })))
    }

    pub(super) fn count(&self, outcome: &str) {
        self.metrics.reactions.with_label_values(&[self.reaction.name(), outcome]).inc();
    }
}
