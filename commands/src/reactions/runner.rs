//! Runs reactions: one task each, on whichever process leads it.

use std::sync::Arc;
use std::time::Duration;

use eventstore_schema::database::Pool;
use eventstore_schema::lease::Leases;
use eventstore_schema::{EventLog, Position, ReadFilter};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::follow::DECISIONS;
use super::leader::{self, Asked, Candidate};
use super::{Lead, ParkedEvent, Reaction, ReactionError, ReactionStatus, followed, parked, store};
use crate::clock::Clock;
use crate::executor::Executor;
use crate::limits::{
    REACTION_ATTEMPTS_MAX, REACTION_ATTEMPTS_TIME_MAX, REACTION_LEAD_POLL, REACTION_PARKED_TRY_MAX,
};
use crate::metrics::Metrics;
use crate::services::Parts;

/// A set of reactions over one log.
#[derive(Clone)]
pub struct Reactions {
    reactions: Vec<Arc<dyn Reaction>>,
    parts: Parts,
    executor: Executor,
    patience: Patience,
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
        let Parts { log, sealer, clock, metrics, .. } = parts.clone();
        let executor = Executor::new(log, sealer, clock, metrics);
        Self { reactions, parts, executor, patience: Patience::default() }
    }

    /// The same with another patience.
    #[cfg(test)]
    pub(super) fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
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
                executor: self.executor.clone(),
                pool: self.parts.pool.clone(),
                leases: self.parts.leases.clone(),
                clock: self.parts.clock.clone(),
                metrics: self.parts.metrics.clone(),
                filter: ReadFilter { event_types: event_types.clone(), ..ReadFilter::default() },
                patience: self.patience,
                due: Notify::new(),
                stopped: stopped.clone(),
            };
            tasks.spawn(runner.run());
        }
        Running { stop, tasks }
    }

    /// Names of the events that any of them answers, and of what operators decide about them. All read the same events, so that the checkpoints of all move past each
    /// of them: one that follows another can wait for it.
    pub(super) fn event_types(&self) -> Vec<&'static str> {
        let mut event_types: Vec<_> =
            self.reactions.iter().flat_map(|reaction| reaction.event_types()).copied().collect();
        event_types.extend(DECISIONS);
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
        for name in self.names() {
            all.push(store::status(&self.parts.pool, name).await?);
        }
        Ok(all)
    }

    /// Their names.
    pub fn names(&self) -> Vec<&'static str> {
        self.reactions.iter().map(|reaction| reaction.name()).collect()
    }

    /// A page of the events behind `after` that reactions of these names set aside and try again: of each ordering key the
    /// first. At least `limit` if there are so many, more when several stand at the last position.
    ///
    /// # Errors
    /// When the write side's tables cannot be read.
    pub async fn parked(
        &self,
        names: &[&str],
        after: Option<Position>,
        limit: u32,
    ) -> Result<Vec<ParkedEvent>, ReactionError> {
        parked::list(&self.parts.pool, names, after, i64::from(limit)).await
    }

    /// The event at a position, if the reaction of this name has set it aside; how many wait behind it is not counted.
    ///
    /// # Errors
    /// When the write side's tables cannot be read.
    pub async fn parked_at(&self, name: &str, at: Position) -> Result<Option<ParkedEvent>, ReactionError> {
        parked::find(&self.parts.pool, name, at).await
    }
}

/// One reaction of this process.
pub(super) struct Runner {
    pub(super) reaction: Arc<dyn Reaction>,
    pub(super) log: Arc<dyn EventLog>,
    pub(super) executor: Executor,
    pool: Pool,
    leases: Leases,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) filter: ReadFilter,
    pub(super) patience: Patience,
    /// Rung when something that was set aside is due.
    pub(super) due: Notify,
    pub(super) stopped: watch::Receiver<bool>,
}

/// How long an event is tried before it is set aside, and how it is tried after.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Tries.
    pub(super) attempts: u32,
    /// Time for all of them.
    pub(super) time: Duration,
    /// Time for one try of an event that was set aside.
    pub(super) retry_time: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: REACTION_ATTEMPTS_MAX,
            time: REACTION_ATTEMPTS_TIME_MAX,
            retry_time: REACTION_PARKED_TRY_MAX,
        }
    }
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

    /// Follows the log, and beside that tries again what was set aside, until stopped or the lead is lost.
    async fn lead(&self, lead: &Lead) -> Result<(), ReactionError> {
        followed::check(lead, self.log.head().await?.incarnation).await?;
        tokio::try_join!(self.follow(lead), self.retry(lead))?;
        Ok(())
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }
}

/// The lead is with another process, or nobody knows.
pub(super) fn lost() -> ReactionError {
    ReactionError::Unavailable("the lead is lost".to_owned())
}
