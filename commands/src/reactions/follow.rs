//! Following the log: every event is answered, in order as far as that matters ([`super::batch`]), or set aside.

use std::time::Duration;

use domain::Payload;
use domain::operations::{
    OperationsEvent, OperationsId, ParkedEventDiscarded, ParkedEventRetried, reaction_digest,
};
use eventstore_schema::{RecordedEvent, StreamId, catalogue};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::answer::{Item, Outcome};
use super::batch::Passed;
use super::parked::{self, Cause};
use super::runner::{Patience, Runner, lost};
use super::{Lead, ReactionError, store};
use crate::limits::{
    REACTION_BATCH_EVENTS, REACTION_RETRY_DELAY_MAX, REACTION_RETRY_DELAY_MIN, REACTION_TICK,
};

/// What is decided about events that were set aside.
pub(super) const DECISIONS: [&str; 2] = [ParkedEventRetried::NAME, ParkedEventDiscarded::NAME];

/// The tries of one event.
struct Tries {
    patience: Patience,
    count: u32,
    since: Instant,
    delay: Duration,
    /// Whether it was told that nothing can be answered.
    told: bool,
}

impl Tries {
    fn new(patience: Patience) -> Self {
        Self { patience, count: 0, since: Instant::now(), delay: REACTION_RETRY_DELAY_MIN, told: false }
    }

    fn left(&self) -> Duration {
        self.patience.time.saturating_sub(self.since.elapsed())
    }

    fn are_over(&self) -> bool {
        self.count >= self.patience.attempts || self.left().is_zero()
    }

    /// Counts from the beginning: nothing could be answered, so no try was one.
    fn forget(&mut self) {
        *self = Self { delay: self.delay, told: self.told, ..Self::new(self.patience) };
    }

    async fn rest(&mut self) {
        sleep(self.delay).await;
        self.delay = (self.delay * 2).min(REACTION_RETRY_DELAY_MAX);
    }
}

impl Runner {
    /// Passes all events from the checkpoint on.
    pub(super) async fn follow(&self, lead: &Lead) -> Result<(), ReactionError> {
        let name = self.reaction.name();
        let mut stopped = self.stopped.clone();
        let after = store::checkpoint(lead, name).await?;
        let mut subscription = self.log.subscribe(after, self.filter.clone()).await?;
        while lead.holds() {
            let batch = tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
                () = lead.lost() => break,
                batch = timeout(REACTION_TICK, subscription.next(REACTION_BATCH_EVENTS)) => batch,
            };
            let Ok(batch) = batch else {
                self.metrics.reaction_lag.with_label_values(&[name]).set(0.0);
                continue;
            };
            if let Some(last) = self.pass_all(lead, batch?).await? {
                store::save_checkpoint(lead, name, last.position, self.clock.now()).await?;
                self.gauge_lag(&last);
            }
            if self.is_stopped() {
                return Ok(());
            }
        }
        Err(lost())
    }

    /// Answers an event or sets it aside, at once when it is `behind` one that is set aside under this key.
    pub(super) async fn pass(
        &self,
        lead: &Lead,
        item: &Item,
        behind: Option<StreamId>,
    ) -> Result<Passed, ReactionError> {
        if DECISIONS.contains(&item.recorded.event_type.as_str()) {
            self.carry_out(lead, &item.recorded).await?;
            return Ok(Passed::Answered);
        }
        if let Some(key) = behind {
            self.park(lead, item, key, Cause::Behind).await?;
            return Ok(Passed::Parked(key));
        }
        let mut tries = Tries::new(self.patience);
        while !self.is_stopped() && lead.holds() {
            tries.count += 1;
            let outcome = self.answer(lead, item, tries.left()).await?;
            let reason = match outcome {
                Outcome::Done => {
                    self.count("answered");
                    return Ok(Passed::Answered);
                }
                Outcome::Deferred(reason) => Some(reason),
                Outcome::Failed(reason) => Some(reason).filter(|_| tries.are_over()),
                Outcome::Unavailable(reason) if tries.are_over() => {
                    if self.log_takes_appends().await {
                        Some(reason)
                    } else {
                        self.waits(&mut tries, &reason);
                        None
                    }
                }
                Outcome::Unavailable(_) => None,
                Outcome::Down(reason) => {
                    self.waits(&mut tries, &reason);
                    None
                }
            };
            if let Some(reason) = reason {
                let cause = Cause::Tried { attempts: tries.count, reason: &reason };
                self.park(lead, item, item.key, cause).await?;
                return Ok(Passed::Parked(item.key));
            }
            self.count("retried");
            self.gauge_lag(&item.recorded);
            tries.rest().await;
        }
        Ok(Passed::Not)
    }

    /// Nothing can be answered: no try counts. Told once, and only if it lasts: an outage of hours leaves one line, and one that
    /// is a moment ahead of what it follows none.
    fn waits(&self, tries: &mut Tries, reason: &str) {
        let reaction = self.reaction.name();
        if tries.delay >= REACTION_RETRY_DELAY_MAX && !tries.told {
            tracing::warn!(reaction, reason, "a reaction waits");
            tries.told = true;
        } else {
            tracing::debug!(reaction, reason, "a reaction waits");
        }
        tries.forget();
    }

    pub(super) async fn park(
        &self,
        lead: &Lead,
        item: &Item,
        key: StreamId,
        cause: Cause<'_>,
    ) -> Result<(), ReactionError> {
        let (name, event) = (self.reaction.name(), &item.recorded);
        if let Cause::Tried { reason, .. } = &cause {
            tracing::error!(
                reaction = name, position = %event.position, stream = %event.stream,
                event_type = event.event_type, reason, "an event is set aside: it could not be answered"
            );
        }
        if parked::park(lead, name, event, key, cause, self.clock.now()).await? {
            self.count("parked");
            self.metrics.reactions_parked.with_label_values(&[name]).inc();
        }
        self.due.notify_one();
        Ok(())
    }

    /// Does what was decided about an event that this reaction set aside.
    async fn carry_out(&self, lead: &Lead, recorded: &RecordedEvent) -> Result<(), ReactionError> {
        let (name, own) = (self.reaction.name(), reaction_digest(self.reaction.name()));
        if recorded.stream.id != Uuid::from(OperationsId::of(&own)) {
            return Ok(());
        }
        let decided = match catalogue::decode_recorded(recorded) {
            Ok(decided) => decided,
            // Of a newer release, or damaged. What it is about stays set aside; everything else goes on.
            Err(error) => {
                tracing::error!(
                    reaction = name, position = %recorded.position, %error,
                    "a decision about what is set aside cannot be read: give it again"
                );
                return Ok(());
            }
        };
        match OperationsEvent::try_from(decided) {
            Ok(OperationsEvent::ParkedEventRetried(it)) if it.reaction == own => {
                parked::hasten(lead, name, it.event_id, self.clock.now()).await?;
            }
            Ok(OperationsEvent::ParkedEventDiscarded(it)) if it.reaction == own => {
                parked::unpark(lead, name, it.event_id, self.clock.now()).await?;
            }
            _ => return Ok(()),
        }
        self.due.notify_one();
        Ok(())
    }

    fn gauge_lag(&self, event: &RecordedEvent) {
        let lag = self.clock.now().since(event.origin.recorded_at).as_secs_f64();
        self.metrics.reaction_lag.with_label_values(&[self.reaction.name()]).set(lag);
    }
}
