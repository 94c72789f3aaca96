//! Runs one cell: takes the waiting commands in order, decides each on the state that the ones before it leave, and appends
//! them together.
//!
//! A refusal, and "nothing to do", are final only on a state that is *settled* (nothing decided is still on its way to the
//! log) and *fresh* (read from the log, or confirmed by an append, after the command came in): otherwise another node's
//! write could make the answer wrong. A command that is accepted needs no such care: the log refuses it when the state was
//! another.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::{Aggregate, Rejection};
use eventstore_schema::{AppendError, Appended, Expected, Origin, Snapshot, StreamAppend};
use futures_util::future::join;

use super::cell::{Cell, Job, Pending, Running};
use super::held::Held;
use super::{ExecuteError, Executed, Shared, outcome, seal};
use crate::limits::{BATCH_BYTES_MAX, CONFLICT_ATTEMPTS_MAX, OVERLOADED_RETRY_AFTER, UNKNOWN_OUTCOME_DELAYS};

/// Runs the cell until nobody waits.
pub(super) async fn run<A: Aggregate>(shared: Arc<Shared>, cell: Arc<Cell<A>>) {
    let mut running = Running::new(Arc::clone(&cell));
    let held = running.take_held();
    let mut turn = Turn { shared, cell, held, jobs: VecDeque::new(), fresh: false };
    loop {
        if turn.jobs.is_empty() {
            turn.fresh = false;
            if !running.next_jobs(&mut turn.jobs, &mut turn.held) {
                return;
            }
        }
        turn.step().await;
    }
}

struct Turn<A: Aggregate> {
    shared: Arc<Shared>,
    cell: Arc<Cell<A>>,
    /// Nothing when it has to be read from the log.
    held: Option<Box<Held<A>>>,
    jobs: VecDeque<Job<A>>,
    /// Whether the state was that of the log at some moment after every job in `jobs` came in.
    fresh: bool,
}

/// A command with the append that will record it.
struct Decided<A: Aggregate> {
    pending: Box<Pending<A>>,
    append: StreamAppend,
    events: Vec<A::Event>,
}

/// What became of a job.
enum Taken<A: Aggregate> {
    Decided(Box<Decided<A>>),
    /// It needs a settled and fresh state.
    Unsettled(Job<A>),
    Answered,
}

impl<A: Aggregate> Turn<A> {
    /// Takes as many jobs as go into one batch and appends it; or, when the first needs a fresh state, reads the tail.
    async fn step(&mut self) {
        let mut held = match self.held.take() {
            Some(held) => held,
            None => match self.load().await {
                Ok(held) => held,
                Err(error) => return self.fail_all(&error),
            },
        };
        let mut batch = Vec::new();
        let mut bytes = 0;
        let mut unsettled = false;
        while bytes < BATCH_BYTES_MAX {
            let Some(job) = self.jobs.pop_front() else { break };
            match self.take(&mut held, job, self.fresh && batch.is_empty()).await {
                Taken::Decided(decided) => {
                    bytes += decided.append.bytes();
                    batch.push(*decided);
                }
                Taken::Answered => {}
                Taken::Unsettled(job) => {
                    self.jobs.push_front(job);
                    unsettled = true;
                    break;
                }
            }
        }
        if !batch.is_empty() {
            self.held = self.append(held, batch).await;
        } else if unsettled {
            match held.refresh(self.shared.log.as_ref(), self.cell.stream).await {
                Ok(()) => {
                    self.fresh = true;
                    self.held = Some(held);
                }
                Err(error) => self.fail_all(&error),
            }
        } else {
            self.held = Some(held);
        }
    }

    async fn load(&mut self) -> Result<Box<Held<A>>, ExecuteError> {
        self.shared.metrics.loads.with_label_values(&[A::CATEGORY.name()]).inc();
        let held = Held::load(self.shared.log.as_ref(), self.cell.stream).await?;
        self.shared.weigh(self.cell.stream, held.bytes_estimate());
        self.fresh = true;
        Ok(Box::new(held))
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

    /// Decides a command and folds its events in; `settled` says that a refusal would be final.
    async fn take(&mut self, held: &mut Held<A>, job: Job<A>, settled: bool) -> Taken<A> {
        let pending = match job {
            Job::Command(pending) => pending,
            Job::View(view) if settled => {
                view(Ok((&held.state, held.revision)));
                return Taken::Answered;
            }
            Job::View(view) => return Taken::Unsettled(Job::View(view)),
        };
        let expected_revision = pending.request.expected_revision;
        let mismatch = expected_revision.is_some() && expected_revision != held.revision;
        let drafts = match held.state.decide(&pending.command, &pending.request.context) {
            Ok(drafts) if !drafts.is_empty() && !mismatch => drafts,
            _ if !settled => return Taken::Unsettled(Job::Command(pending)),
            Ok(_) if mismatch => {
                let error = ExecuteError::RevisionMismatch { current: held.revision };
                return self.refuse(pending, Err(error));
            }
            Ok(_) => {
                let nothing = self.nothing(held);
                return self.refuse(pending, nothing);
            }
            Err(rejection) => return self.refuse(pending, Err(Rejection::into(rejection))),
        };
        let origin = self.origin(held, &drafts, &pending);
        match seal::prepare(&self.shared, self.cell.stream, origin.organization_id, &drafts).await {
            Ok(sealed) => {
                let append = StreamAppend {
                    stream: self.cell.stream,
                    expected: Expected::after(held.revision),
                    command: pending.request.command,
                    origin,
                    events: sealed,
                };
                let events: Vec<_> = drafts.into_iter().map(|draft| draft.event).collect();
                held.evolve(&events, origin.recorded_at);
                Taken::Decided(Box::new(Decided { pending, append, events }))
            }
            Err(error) => {
                self.answer(*pending, Err(error));
                Taken::Answered
            }
        }
    }

    /// The tenant is the state's; a stream's first event names it, so it is asked of what the first events make.
    fn origin(&self, held: &Held<A>, drafts: &[domain::Draft<A::Event>], pending: &Pending<A>) -> Origin {
        let request = &pending.request;
        let organization_id = if held.revision.is_some() {
            held.state.organization()
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

    /// The answer to a command that changes nothing.
    fn nothing(&self, held: &Held<A>) -> Result<Executed<A::Event>, ExecuteError> {
        match (held.revision, held.position) {
            (Some(revision), Some(position)) => {
                let stream = self.cell.stream;
                Ok(Executed { stream, revision, position, replayed: false, events: Vec::new() })
            }
            _ => Err(ExecuteError::Corrupt {
                stream: self.cell.stream,
                reason: "a command decided nothing about a stream without events".to_owned(),
            }),
        }
    }

    /// Refuses, unless the command is on record already: then it is answered as the first time. Nobody waits for that.
    fn refuse(
        &self,
        pending: Box<Pending<A>>,
        otherwise: Result<Executed<A::Event>, ExecuteError>,
    ) -> Taken<A> {
        let (shared, stream) = (Arc::clone(&self.shared), self.cell.stream);
        tokio::spawn(async move {
            let answer = outcome::recorded_or::<A>(&shared, stream, pending.request.command, otherwise).await;
            shared.count::<A>(&answer);
            pending.answer(answer);
        });
        Taken::Answered
    }

    fn answer(&self, pending: Pending<A>, answer: Result<Executed<A::Event>, ExecuteError>) {
        self.shared.count::<A>(&answer);
        pending.answer(answer);
    }

    /// Appends a batch. Returns the state if it is the log's afterwards.
    async fn append(&mut self, mut held: Box<Held<A>>, batch: Vec<Decided<A>>) -> Option<Box<Held<A>>> {
        self.shared.metrics.batch.observe(u32::try_from(batch.len()).map_or(f64::MAX, f64::from));
        let appends = batch.iter().map(|decided| decided.append.clone()).collect();
        // While the log writes, the state can be encoded: no command waits for a snapshot.
        let (results, snapshot) = join(self.shared.log.append_in_order(appends), async {
            held.snapshot_due().then(|| held.snapshot(self.cell.stream)).flatten()
        })
        .await;
        let mut last = None;
        let mut unknown = Vec::new();
        let mut again = Vec::new();
        let mut settled = true;
        for (decided, result) in batch.into_iter().zip(results) {
            match result {
                // From the first unknown outcome on, all are asked again in order: they build on one another.
                _ if !unknown.is_empty() => unknown.push(decided),
                Err(AppendError::Unavailable { .. }) => unknown.push(decided),
                Ok(appended) if !appended.replayed => {
                    last = Some(appended.position);
                    self.recorded(decided, appended);
                }
                other => {
                    settled = false;
                    again.extend(self.not_written(decided, other));
                }
            }
        }
        if !unknown.is_empty() {
            settled = false;
            again.extend(self.append_again(unknown).await);
        }
        for pending in again.into_iter().rev() {
            self.jobs.push_front(Job::Command(pending));
        }
        if !settled {
            self.fresh = false;
            return None;
        }
        held.position = last;
        self.fresh = true;
        self.store(&mut held, snapshot);
        Some(held)
    }

    fn recorded(&self, decided: Decided<A>, appended: Appended) {
        let Decided { pending, append: _, events } = decided;
        let answer = Ok(Executed {
            stream: appended.stream,
            revision: appended.last_revision,
            position: appended.position,
            replayed: false,
            events,
        });
        self.answer(*pending, answer);
    }

    /// Answers a command that was not written now, or gives it back to be decided again.
    fn not_written(
        &self,
        decided: Decided<A>,
        result: Result<Appended, AppendError>,
    ) -> Option<Box<Pending<A>>> {
        let Decided { mut pending, append: _, events: _ } = decided;
        let error = match result {
            Ok(appended) => {
                let shared = Arc::clone(&self.shared);
                tokio::spawn(async move {
                    let answer = outcome::replay::<A>(&shared, pending.request.command, appended).await;
                    shared.count::<A>(&answer);
                    pending.answer(answer);
                });
                return None;
            }
            Err(AppendError::Conflict { .. }) => {
                self.shared.metrics.conflicts.inc();
                pending.conflicts += 1;
                if pending.conflicts < CONFLICT_ATTEMPTS_MAX {
                    return Some(pending);
                }
                ExecuteError::Overloaded { retry_after: OVERLOADED_RETRY_AFTER }
            }
            // It lost to nobody: what it was decided upon did.
            Err(AppendError::Unfounded { .. }) => return Some(pending),
            Err(AppendError::CommandReused { command_id }) => ExecuteError::CommandReused { command_id },
            Err(AppendError::Size { stream: _, events, bytes }) => ExecuteError::TooLarge { events, bytes },
            Err(AppendError::Overloaded { retry_after }) => ExecuteError::Overloaded { retry_after },
            Err(AppendError::Unavailable { stream: _, reason }) => ExecuteError::Unavailable { reason },
        };
        self.answer(*pending, Err(error));
        None
    }

    /// Repeats appends of unknown outcome as they are, until the log says what became of them or the delays run out. Gives
    /// back the commands that are known not to be on record and have to be decided again.
    async fn append_again(&mut self, mut unknown: Vec<Decided<A>>) -> Vec<Box<Pending<A>>> {
        let mut again = Vec::new();
        for delay in UNKNOWN_OUTCOME_DELAYS {
            tokio::time::sleep(delay).await;
            self.shared.metrics.unknown_outcomes.inc();
            let appends = unknown.iter().map(|decided| decided.append.clone()).collect();
            let results = self.shared.log.append_in_order(appends).await;
            let mut still = Vec::new();
            for (decided, result) in unknown.into_iter().zip(results) {
                match result {
                    _ if !still.is_empty() => still.push(decided),
                    Err(AppendError::Unavailable { .. }) => still.push(decided),
                    Ok(appended) if is_ours(&decided.append, &appended) => self.recorded(decided, appended),
                    other => again.extend(self.not_written(decided, other)),
                }
            }
            unknown = still;
            if unknown.is_empty() {
                return again;
            }
        }
        for decided in unknown {
            let reason = "the outcome of the append is unknown".to_owned();
            self.answer(*decided.pending, Err(ExecuteError::Unavailable { reason }));
        }
        again
    }

    fn store(&self, held: &mut Held<A>, snapshot: Option<Snapshot>) {
        let Some(snapshot) = snapshot else { return };
        held.snapshotted(&snapshot);
        self.shared.weigh(self.cell.stream, held.bytes_estimate());
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let outcome = match shared.log.store_snapshot(snapshot).await {
                Ok(()) => "stored",
                Err(error) => {
                    tracing::warn!(%error, "a snapshot was not stored: the next one will be");
                    "failed"
                }
            };
            shared.metrics.snapshots.with_label_values(&[outcome]).inc();
        });
    }
}

/// Whether what is on record stands just where this append would have put it: then it is this append, written the time
/// before, or another node's of the same command on the same state.
fn is_ours(append: &StreamAppend, appended: &Appended) -> bool {
    let first = match append.expected {
        Expected::Exact(revision) => revision.get().saturating_add(1),
        Expected::NoStream => 0,
        Expected::Any => return false,
    };
    let last = first.saturating_add(append.events.len() as u64).saturating_sub(1);
    appended.stream == append.stream
        && appended.first_revision.get() == first
        && appended.last_revision.get() == last
}
