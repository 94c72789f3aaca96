//! Runs reactions: one task each, on whichever process leads it.

use std::sync::Arc;

use domain::Timestamp;
use eventstore_schema::lease::Leases;
use eventstore_schema::{EventLog, Position, ReadFilter, RecordedEvent, catalogue};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::leader::{self, Asked, Candidate};
use super::{Lead, Reaction, ReactionError, ReactionStatus, followed, store};
use crate::clock::Clock;
use crate::limits::{
    REACTION_ATTEMPTS_MAX, REACTION_BATCH_EVENTS, REACTION_LEAD_POLL, REACTION_PARKED_RETRY_SECONDS,
    REACTION_PARKED_SHOWN_MAX, REACTION_RETRY_DELAY_MAX, REACTION_RETRY_DELAY_MIN, REACTION_TICK,
};
use crate::metrics::Metrics;
use crate::services::Parts;

/// A set of reactions over one log.
#[derive(Clone)]
pub struct Reactions {
    reactions: Vec<Arc<dyn Reaction>>,
    parts: Parts,
}

/// Reactions that run. Dropping it stops them where they are, which is safe; [`Running::stop`] lets each finish its event.
pub struct Running {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Stops the reactions, each after the event that it is answering, and waits for them.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Reactions {
    /// These reactions over the log of `parts`.
    pub fn new(reactions: Vec<Arc<dyn Reaction>>, parts: Parts) -> Self {
        Self { reactions, parts }
    }

    /// Starts them. Any number of processes may: each reaction runs on one of them.
    pub fn start(&self) -> Running {
        let event_types = self.event_types();
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for reaction in &self.reactions {
            let runner = Runner {
                reaction: Arc::clone(reaction),
                log: Arc::clone(&self.parts.log),
                pool: self.parts.pool.clone(),
                leases: self.parts.leases.clone(),
                clock: self.parts.clock.clone(),
                metrics: self.parts.metrics.clone(),
                filter: ReadFilter { event_types: event_types.clone(), ..ReadFilter::default() },
                stopped: stopped.clone(),
            };
            tasks.spawn(runner.run());
        }
        Running { stop, tasks }
    }

    /// Names of the events that any of them answers. All read the same events, so that the checkpoints of all move past each
    /// of them: one that follows another can wait for it.
    pub(super) fn event_types(&self) -> Vec<&'static str> {
        let mut event_types: Vec<_> =
            self.reactions.iter().flat_map(|reaction| reaction.event_types()).copied().collect();
        event_types.sort_unstable();
        event_types.dedup();
        event_types
    }

    /// How far each has come.
    ///
    /// # Errors
    /// When the write side's tables cannot be read.
    pub async fn status(&self) -> Result<Vec<ReactionStatus>, ReactionError> {
        let mut all = Vec::with_capacity(self.reactions.len());
        for reaction in &self.reactions {
            all.push(store::status(&self.parts.pool, reaction.name(), REACTION_PARKED_SHOWN_MAX).await?);
        }
        Ok(all)
    }
}

struct Runner {
    reaction: Arc<dyn Reaction>,
    log: Arc<dyn EventLog>,
    pool: eventstore_schema::database::Pool,
    leases: Leases,
    clock: Clock,
    metrics: Metrics,
    filter: ReadFilter,
    stopped: watch::Receiver<bool>,
}

impl Runner {
    /// Leads whenever nobody else does, until stopped.
    async fn run(self) {
        let mut stopped = self.stopped.clone();
        let name = self.reaction.name();
        let mut waiting = None;
        self.leases.watch(&leader::lease_name(name));
        while !*stopped.borrow() {
            match self.ask_for_lead(waiting.take()).await {
                Ok(Asked::Leads(lead)) => {
                    self.metrics.reaction_leader.with_label_values(&[name]).set(1);
                    match self.lead(&lead).await {
                        Ok(()) => lead.give_back().await,
                        Err(error) => {
                            tracing::warn!(reaction = name, %error, "a reaction stopped: it starts again soon");
                        }
                    }
                    self.metrics.reaction_leader.with_label_values(&[name]).set(0);
                }
                Ok(Asked::Waits(candidate)) => waiting = Some(candidate),
                Err(error) => {
                    tracing::warn!(reaction = name, %error, "cannot ask for the lead of a reaction")
                }
            }
            // Whatever ended the lead, ask again after a while, or end at once when stopped.
            let _ = timeout(REACTION_LEAD_POLL, stopped.wait_for(|stopped| *stopped)).await;
        }
    }

    /// Asks for the lead on the connection that waits for it, or a new one.
    async fn ask_for_lead(&self, waiting: Option<Candidate>) -> Result<Asked, ReactionError> {
        let candidate = match waiting.filter(Candidate::is_connected) {
            Some(candidate) => candidate,
            None => Candidate::connect(&self.pool).await?,
        };
        candidate.ask(&self.leases, self.reaction.name()).await
    }

    async fn lead(&self, lead: &Lead) -> Result<(), ReactionError> {
        let name = self.reaction.name();
        let mut stopped = self.stopped.clone();
        followed::check(lead, self.log.head().await?.incarnation).await?;
        let after = store::checkpoint(lead, name).await?;
        let mut subscription = self.log.subscribe(after, self.filter.clone()).await?;
        let mut followed = None;
        self.retry_parked(lead).await?;
        while lead.holds() {
            let batch = tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
                () = lead.lost() => break,
                batch = timeout(REACTION_TICK, subscription.next(REACTION_BATCH_EVENTS)) => batch,
            };
            let Ok(batch) = batch else {
                self.metrics.reaction_lag.with_label_values(&[name]).set(0);
                self.retry_parked(lead).await?;
                continue;
            };
            let mut passed = None;
            for recorded in batch? {
                if !self.pass(lead, &recorded, &mut followed).await? {
                    break;
                }
                passed = Some(recorded);
            }
            if let Some(last) = passed {
                store::save_checkpoint(lead, name, last.position, self.clock.now()).await?;
                self.gauge_lag(&last);
            }
            if *stopped.borrow() {
                return Ok(());
            }
        }
        Err(ReactionError::Unavailable("the lead is lost".to_owned()))
    }

    /// Answers an event or sets it aside. `false`: stopped before it was answered.
    async fn pass(
        &self,
        lead: &Lead,
        recorded: &RecordedEvent,
        followed: &mut Option<Position>,
    ) -> Result<bool, ReactionError> {
        if !self.reaction.event_types().contains(&recorded.event_type.as_str()) {
            return Ok(!*self.stopped.borrow());
        }
        let mut failures = 0;
        let mut delay = REACTION_RETRY_DELAY_MIN;
        while !*self.stopped.borrow() && lead.holds() {
            let answer = match self.wait_for_followed(lead, recorded.position, followed).await? {
                true => self.answer(lead, recorded).await,
                false => Err(ReactionError::Unavailable("a reaction before it is behind".to_owned())),
            };
            match answer {
                Ok(()) => {
                    self.count("answered");
                    return Ok(true);
                }
                Err(ReactionError::Failed(reason)) => {
                    failures += 1;
                    if failures >= REACTION_ATTEMPTS_MAX {
                        self.park(lead, recorded, &reason).await?;
                        return Ok(true);
                    }
                }
                // Told once, so that an outage of hours leaves one line.
                Err(ReactionError::Unavailable(reason)) if delay == REACTION_RETRY_DELAY_MIN => {
                    tracing::warn!(reaction = self.reaction.name(), reason, "a reaction waits");
                }
                Err(ReactionError::Unavailable(reason)) => {
                    tracing::debug!(reaction = self.reaction.name(), reason, "an event is tried again");
                }
            }
            self.count("retried");
            self.gauge_lag(recorded);
            sleep(delay).await;
            delay = (delay * 2).min(REACTION_RETRY_DELAY_MAX);
        }
        Ok(false)
    }

    async fn answer(&self, lead: &Lead, recorded: &RecordedEvent) -> Result<(), ReactionError> {
        let event = catalogue::decode_recorded(recorded);
        let event = event.map_err(|error| ReactionError::Failed(error.to_string()))?;
        self.reaction.react(lead, recorded, &event).await
    }

    /// Whether every reaction that this one follows has passed `position`.
    async fn wait_for_followed(
        &self,
        lead: &Lead,
        position: Position,
        followed: &mut Option<Position>,
    ) -> Result<bool, ReactionError> {
        if self.reaction.follows().is_empty() || followed.is_some_and(|passed| passed >= position) {
            return Ok(true);
        }
        let mut passed = None;
        for name in self.reaction.follows() {
            let Some(at) = store::checkpoint(lead, name).await? else { return Ok(false) };
            passed = Some(passed.map_or(at, |least: Position| least.min(at)));
        }
        *followed = passed;
        Ok(passed.is_some_and(|passed| passed >= position))
    }

    async fn park(&self, lead: &Lead, event: &RecordedEvent, reason: &str) -> Result<(), ReactionError> {
        let name = self.reaction.name();
        tracing::error!(
            reaction = name, position = %event.position, stream = %event.stream, event_type = event.event_type,
            reason, "an event is set aside: it could not be answered"
        );
        self.count("parked");
        store::park(lead, name, event, reason, self.next_try()).await?;
        self.gauge_parked(lead).await
    }

    fn next_try(&self) -> Timestamp {
        self.clock.now().plus_seconds(REACTION_PARKED_RETRY_SECONDS)
    }

    /// Tries events again that were set aside.
    async fn retry_parked(&self, lead: &Lead) -> Result<(), ReactionError> {
        let name = self.reaction.name();
        for parked in store::due(lead, name, self.clock.now(), REACTION_PARKED_SHOWN_MAX).await? {
            let events = self.log.read_stream(parked.stream, parked.revision, 1).await?;
            let Some(recorded) = events.first().filter(|event| event.revision == parked.revision) else {
                continue;
            };
            match self.answer(lead, recorded).await {
                Ok(()) => {
                    self.count("answered");
                    store::unpark(lead, name, parked.position).await?;
                }
                Err(ReactionError::Failed(reason)) => {
                    store::park(lead, name, recorded, &reason, self.next_try()).await?;
                }
                Err(error) => return Err(error),
            }
        }
        self.gauge_parked(lead).await
    }

    async fn gauge_parked(&self, lead: &Lead) -> Result<(), ReactionError> {
        let name = self.reaction.name();
        let parked = store::parked_count(lead, name).await?;
        self.metrics.reactions_parked.with_label_values(&[name]).set(parked);
        Ok(())
    }

    fn gauge_lag(&self, event: &RecordedEvent) {
        let lag = self.clock.now().as_micros().saturating_sub(event.origin.recorded_at.as_micros());
        self.metrics.reaction_lag.with_label_values(&[self.reaction.name()]).set(lag);
    }

    fn count(&self, outcome: &str) {
        self.metrics.reactions.with_label_values(&[self.reaction.name(), outcome]).inc();
    }
}
