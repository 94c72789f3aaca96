//! Processes one stream's commands: decides each on the state that the ones before it leave, and appends them together.
//!
//! Two states are kept apart. The *confirmed* one is what recorded events make; it outlives every append. The *speculative*
//! one is a copy with the events that were decided since and are not on record yet; when the log takes them all it becomes
//! the confirmed one, else it is dropped, the tail is read, and what was not answered is decided again.
//!
//! A stream that other processes write to, too, is decided under the log's append lock where the log has one (ADR 0022): what was
//! decided without would be late mostly.
//!
//! A refusal, and "nothing to do", are final only on a confirmed state that is *current* (read from the log, or confirmed by
//! an append, after the command came in): otherwise another node's write could make the answer wrong. A command that is
//! accepted needs no such care: the log refuses it when the state was another.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::{Aggregate, Draft, Rejection};
use eventstore_schema::{AppendLock, Expected, Origin, StreamAppend};

use super::append::{Appending, Decided};
use super::cached::{CachedAggregate, StateAt};
use super::cell::{Cell, Job, Pending, Running};
use super::{ExecuteError, Executed, Shared, outcome, seal};
use crate::limits::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, LOCKED_COMMANDS_MAX};

/// Processes the cell's commands until none wait.
pub(super) async fn run<A: Aggregate>(shared: Arc<Shared>, cell: Arc<Cell<A>>) {
    let mut running = Running::new(Arc::clone(&cell));
    let cached = running.take_cached();
    let (jobs, currency) = (VecDeque::new(), Currency::Unchecked);
    let mut processor = CommandProcessor { shared, cell, cached, jobs, currency };
    loop {
        if processor.jobs.is_empty() {
            if processor.currency == Currency::Current {
                processor.currency = Currency::Unchecked;
            }
            if !running.next_jobs(&mut processor.jobs, &mut processor.cached) {
                return;
            }
        }
        let lock = processor.lock_appends().await;
        if lock.is_some() {
            running.more_jobs(&mut processor.jobs, processor.cached.as_deref());
        }
        processor.step(lock).await;
    }
}

/// How the confirmed state stands to the log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Currency {
    /// It was the log's at some moment after every waiting job came in.
    Current,
    /// Others may have written since: good enough to decide on, not to refuse on.
    Unchecked,
    /// The tail has to be read before anything is decided.
    Behind,
}

struct CommandProcessor<A: Aggregate> {
    shared: Arc<Shared>,
    cell: Arc<Cell<A>>,
    /// Nothing when it has to be loaded.
    cached: Option<Box<CachedAggregate<A>>>,
    jobs: VecDeque<Job<A>>,
    currency: Currency,
}

/// What became of a job.
enum Decision<A: Aggregate> {
    Accepted(Box<Decided<A>>),
    /// It needs a confirmed and current state.
    Postponed(Job<A>),
    Answered,
}

impl<A: Aggregate> CommandProcessor<A> {
    /// The append lock, for commands to a stream that other processes keep writing to.
    async fn lock_appends(&mut self) -> Option<AppendLock> {
        let is_contended = self.cached.as_ref().is_some_and(|cached| cached.is_contended());
        if !is_contended || !self.jobs.iter().any(|job| matches!(job, Job::Command(_))) {
            return None;
        }
        let lock = self.shared.log.lock_appends().await;
        if lock.is_none()
            && let Some(cached) = &mut self.cached
        {
            cached.went_unlocked();
        }
        lock
    }

    /// Decides as many jobs as go into one append and appends them. The log is read for one that needs its current state; behind
    /// others that are to be appended it waits for the next step.
    async fn step(&mut self, lock: Option<AppendLock>) {
        let mut cached = match self.up_to_date(lock.as_ref()).await {
            Ok(cached) => cached,
            Err(error) => return self.fail_all(&error),
        };
        let mut speculative = None;
        let mut decided = Vec::new();
        let mut bytes = 0;
        let most = if lock.is_some() { LOCKED_COMMANDS_MAX } else { BATCH_COMMANDS_MAX };
        while bytes < BATCH_BYTES_MAX && decided.len() < most {
            let Some(job) = self.jobs.pop_front() else { break };
            match self.decide(&cached, &mut speculative, job).await {
                Decision::Accepted(one) => {
                    bytes += one.append.bytes();
                    decided.push(*one);
                }
                Decision::Answered => {}
                Decision::Postponed(job) => {
                    self.jobs.push_front(job);
                    if speculative.is_some() {
                        break;
                    }
                    cached = match self.refreshed(cached).await {
                        Ok(cached) => cached,
                        Err(error) => return self.fail_all(&error),
                    };
                }
            }
        }
        let Some(speculative) = speculative else {
            self.cached = Some(cached);
            return;
        };
        let appending = Appending { shared: &self.shared, stream: self.cell.stream };
        let appended = appending.run(&mut cached, speculative, decided, lock).await;
        self.currency = if appended.confirmed { Currency::Current } else { Currency::Behind };
        self.cached = appended.log_reaches_the_state.then_some(cached);
        for pending in appended.again.into_iter().rev() {
            self.jobs.push_front(Job::Command(pending));
        }
    }

    /// The cached state, with the log's tail where it is known to be behind.
    async fn up_to_date(
        &mut self,
        lock: Option<&AppendLock>,
    ) -> Result<Box<CachedAggregate<A>>, ExecuteError> {
        let (log, stream) = (self.shared.log.as_ref(), self.cell.stream);
        let Some(mut cached) = self.cached.take() else {
            self.shared.metrics.loads.with_label_values(&[A::CATEGORY.name()]).inc();
            let cached = CachedAggregate::load(log, stream).await?;
            self.shared.weigh(stream, cached.bytes_estimate());
            self.currency = Currency::Current;
            return Ok(Box::new(cached));
        };
        if let Some(lock) = lock {
            // It may end at any moment: good enough to decide on, not to refuse on.
            if cached.refresh_under(lock, stream)? {
                self.currency = Currency::Unchecked;
                return Ok(cached);
            }
            let before = cached.confirmed().revision;
            let mut cached = self.refreshed(cached).await?;
            if cached.confirmed().revision != before {
                cached.lost();
            }
            return Ok(cached);
        }
        if self.currency == Currency::Behind { self.refreshed(cached).await } else { Ok(cached) }
    }

    /// The cached state with the log's tail read.
    async fn refreshed(
        &mut self,
        mut cached: Box<CachedAggregate<A>>,
    ) -> Result<Box<CachedAggregate<A>>, ExecuteError> {
        if let Err(error) = cached.refresh(self.shared.log.as_ref(), self.cell.stream).await {
            // What was folded in so far is on record, unless the stream itself is not what it was.
            self.cached = error.is_retryable().then_some(cached);
            return Err(error);
        }
        self.currency = Currency::Current;
        Ok(cached)
    }

    fn fail_all(&mut self, error: &ExecuteError) {
        for job in self.jobs.drain(..) {
            job.fail(match error {
                ExecuteError::Corrupt { stream, reason } => {
                    ExecuteError::Corrupt { stream: *stream, reason: reason.clone() }
                }
                other => ExecuteError::Unavailable { reason: other.to_string() },
            });
        }
    }

    /// Decides a command on what the ones before it leave, and folds its events into the speculative state.
    async fn decide(
        &mut self,
        cached: &CachedAggregate<A>,
        speculative: &mut Option<StateAt<A>>,
        job: Job<A>,
    ) -> Decision<A> {
        let at = speculative.as_ref().unwrap_or(cached.confirmed());
        let is_final = self.currency == Currency::Current && speculative.is_none();
        let pending = match job {
            Job::Command(pending) => pending,
            Job::View(view) if is_final => {
                view(Ok((&at.state, at.revision)));
                return Decision::Answered;
            }
            Job::View(view) => return Decision::Postponed(Job::View(view)),
        };
        let expected_revision = pending.request.expected_revision;
        let mismatch = expected_revision.is_some() && expected_revision != at.revision;
        let drafts = match at.state.decide(&pending.command, &pending.request.context) {
            Ok(drafts) if !drafts.is_empty() && !mismatch => drafts,
            _ if !pending.conditions.is_empty() => {
                self.shared.answer(*pending, Err(ExecuteError::Undecided));
                return Decision::Answered;
            }
            _ if !is_final => return Decision::Postponed(Job::Command(pending)),
            Ok(_) if mismatch => {
                let error = ExecuteError::RevisionMismatch { current: at.revision };
                return self.refuse(pending, Err(error));
            }
            Ok(_) => {
                let nothing = self.nothing(cached);
                return self.refuse(pending, nothing);
            }
            Err(rejection) => return self.refuse(pending, Err(Rejection::into(rejection))),
        };
        let (origin, expected) = (origin_of(at, &drafts, &pending), Expected::after(at.revision));
        let stream = self.cell.stream;
        match seal::prepare(&self.shared, stream, &origin, pending.request.command, &drafts).await {
            Ok((command, events)) => {
                let conditions = pending.conditions.clone();
                let append = StreamAppend { stream, expected, command, origin, events, conditions };
                let events: Vec<_> = drafts.into_iter().map(|draft| draft.event).collect();
                let state = speculative.get_or_insert_with(|| cached.confirmed().clone());
                state.evolve(&events, origin.recorded_at);
                Decision::Accepted(Box::new(Decided { pending, append, events }))
            }
            Err(error) if !error.is_retryable() && !pending.conditions.is_empty() => {
                self.shared.answer(*pending, Err(ExecuteError::Undecided));
                Decision::Answered
            }
            Err(error) if error.is_retryable() => {
                self.shared.answer(*pending, Err(error));
                Decision::Answered
            }
            // A repetition of what was erased since is told that, not that keys are missing.
            Err(error) => self.refuse(pending, Err(error)),
        }
    }

    /// The answer to a command that changes nothing.
    fn nothing(&self, cached: &CachedAggregate<A>) -> Result<Executed<A::Event>, ExecuteError> {
        let stream = self.cell.stream;
        match (cached.confirmed().revision, cached.position()) {
            (Some(revision), Some(position)) => {
                Ok(Executed { stream, revision, position, replayed: false, events: Vec::new() })
            }
            _ => {
                let reason = "a command decided nothing about a stream without events".to_owned();
                Err(ExecuteError::Corrupt { stream, reason })
            }
        }
    }

    /// Refuses, unless the command is on record already: then it is answered as the first time. Nobody waits for that.
    fn refuse(
        &self,
        pending: Box<Pending<A>>,
        otherwise: Result<Executed<A::Event>, ExecuteError>,
    ) -> Decision<A> {
        let (shared, stream) = (Arc::clone(&self.shared), self.cell.stream);
        tokio::spawn(async move {
            let answer = outcome::recorded_or::<A>(&shared, stream, pending.request.command, otherwise).await;
            shared.answer(*pending, answer);
        });
        Decision::Answered
    }
}

/// The tenant is the state's; a stream's first event names it, so it is asked of what the first events make.
fn origin_of<A: Aggregate>(at: &StateAt<A>, drafts: &[Draft<A::Event>], pending: &Pending<A>) -> Origin {
    let request = &pending.request;
    let organization_id = if at.revision.is_some() {
        at.state.organization()
    } else {
        let mut first = A::default();
        for draft in drafts {
            first.evolve(&draft.event, request.context.now);
        }
        first.organization()
    };
    Origin {
        organization_id,
        actor: request.context.actor,
        device_id: request.context.device,
        correlation_id: request.correlation_id,
        causation_id: request.causation_id,
        recorded_at: request.context.now,
    }
}
