//! Trying again what was set aside: beside following the log, at times of its own.

use std::collections::HashSet;

use domain::{EventId, Timestamp};
use eventstore_schema::LogError;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, timeout};

use super::answer::{Item, Outcome};
use super::parked::{self, Due, ParkedFigures};
use super::runner::{Runner, lost};
use super::{Lead, ReactionError};
use crate::limits::{REACTION_PARKED_AT_ONCE, REACTION_PARKED_POLL, REACTION_RETRY_DELAY_MAX, REACTION_TICK};

impl Runner {
    /// Tries events again that were set aside, each when its time has come: the first of each ordering key, many keys at once, so
    /// that one that hangs holds up no other.
    pub(super) async fn retry(&self, lead: &Lead) -> Result<(), ReactionError> {
        let mut stopped = self.stopped.clone();
        let mut under_way = FuturesUnordered::new();
        let mut tried = HashSet::new();
        let (mut shown, mut begin_at): (Option<Instant>, _) = (None, Instant::now());
        while lead.holds() {
            if self.is_stopped() {
                // What takes longer is cut off, and done again by the next leader.
                let _ = timeout(self.patience.time, under_way.count()).await;
                self.show_parked(ParkedFigures::default());
                return Ok(());
            }
            if shown.is_none_or(|at| at.elapsed() >= REACTION_TICK) {
                self.show_parked(parked::figures(lead, self.reaction.name()).await?);
                shown = Some(Instant::now());
            }
            if begin_at <= Instant::now() && under_way.len() < REACTION_PARKED_AT_ONCE {
                for one in parked::due(lead, self.reaction.name(), self.clock.now()).await? {
                    if under_way.len() < REACTION_PARKED_AT_ONCE && tried.insert(one.event_id) {
                        under_way.push(self.try_again(lead, one));
                    }
                }
            }
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => {}
                () = lead.lost() => break,
                Some(ended) = under_way.next() => {
                    let (event_id, outcome) = ended?;
                    tried.remove(&event_id);
                    if matches!(outcome, Outcome::Down(_)) {
                        begin_at = Instant::now() + REACTION_RETRY_DELAY_MAX;
                    }
                }
                () = self.due.notified() => {}
                () = sleep(REACTION_PARKED_POLL) => {}
            }
        }
        self.show_parked(ParkedFigures::default());
        Err(lost())
    }

    async fn try_again(&self, lead: &Lead, due: Due) -> Result<(EventId, Outcome), ReactionError> {
        let name = self.reaction.name();
        let outcome = self.answer_again(lead, &due).await?;
        match &outcome {
            Outcome::Done => {
                self.count("answered");
                parked::unpark(lead, name, due.event_id, self.clock.now()).await?;
                self.metrics.reactions_parked.with_label_values(&[name]).dec();
            }
            // It is tried again soon: time is not what it lacks.
            Outcome::Down(reason) => {
                tracing::debug!(reaction = name, reason, "what was set aside waits");
            }
            Outcome::Failed(reason) | Outcome::Unavailable(reason) | Outcome::Deferred(reason) => {
                self.count("retried");
                tracing::debug!(reaction = name, event = %due.event_id, reason, "an event stays set aside");
                parked::failed(lead, name, due.event_id, reason, self.clock.now()).await?;
            }
        }
        Ok((due.event_id, outcome))
    }

    async fn answer_again(&self, lead: &Lead, due: &Due) -> Result<Outcome, ReactionError> {
        let outcome = match self.log.read_stream(due.stream, due.revision, 1).await {
            Ok(events) => match events.into_iter().find(|event| event.event_id == due.event_id) {
                Some(recorded) => self.answer(lead, &Item::of(recorded), self.patience.retry_time).await?,
                None => Outcome::Failed("it is not in the log".to_owned()),
            },
            Err(error @ LogError::Unavailable { .. }) => Outcome::Unavailable(error.to_string()),
            Err(error @ LogError::Corrupt { .. }) => Outcome::Failed(error.to_string()),
        };
        Ok(match outcome {
            Outcome::Unavailable(reason) if !self.log_takes_appends().await => Outcome::Down(reason),
            outcome => outcome,
        })
    }

    fn show_parked(&self, figures: ParkedFigures) {
        let name = self.reaction.name();
        let events = i64::try_from(figures.events).unwrap_or(i64::MAX);
        self.metrics.reactions_parked.with_label_values(&[name]).set(events);
        let age =
            |since: Timestamp| self.clock.now().as_micros().saturating_sub(since.as_micros()) / 1_000_000;
        self.metrics.reactions_parked_age.with_label_values(&[name]).set(figures.oldest.map_or(0, age));
    }
}
