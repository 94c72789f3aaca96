//! Appends what was decided for one stream, and answers: recorded, recorded before, lost to others, or unknown.

use std::sync::Arc;

use domain::Aggregate;
use eventstore_schema::{AppendError, AppendLock, Appended, Revision, Snapshot, StreamAppend, StreamId};
use futures_util::future::join;

use super::cached::{CachedAggregate, StateAt};
use super::cell::Pending;
use super::{ExecuteError, Executed, Shared, outcome};
use crate::limits::{CONFLICT_ATTEMPTS_MAX, OVERLOADED_RETRY_AFTER, UNKNOWN_OUTCOME_DELAYS};

/// A command with the append that will record it.
pub(super) struct Decided<A: Aggregate> {
    pub(super) pending: Box<Pending<A>>,
    pub(super) append: StreamAppend,
    pub(super) events: Vec<A::Event>,
}

/// What an append made of the cached state.
pub(super) struct AfterAppend<A: Aggregate> {
    /// Everything was recorded now: the cached state is the log's.
    pub(super) confirmed: bool,
    /// The log has all the events that the cached state is made of, as far as it told. A log that was restored from a backup
    /// may not.
    pub(super) log_reaches_the_state: bool,
    /// Commands that are not on record and have to be decided again, in order.
    pub(super) again: Vec<Box<Pending<A>>>,
}

/// Where the appends go.
pub(super) struct Appending<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) stream: StreamId,
}

impl Appending<'_> {
    /// Appends in order. The cached state takes in what was decided if all of it was recorded now, else nothing of it: the
    /// tail, which has to be read then, tells what is on record.
    pub(super) async fn run<A: Aggregate>(
        &self,
        cached: &mut CachedAggregate<A>,
        speculative: StateAt<A>,
        decided: Vec<Decided<A>>,
        lock: Option<AppendLock>,
    ) -> AfterAppend<A> {
        self.shared.metrics.batch.observe(u32::try_from(decided.len()).map_or(f64::MAX, f64::from));
        let appends = decided.iter().map(|one| one.append.clone()).collect();
        // While the log writes, the state can be encoded: no command waits for a snapshot.
        let appending = match lock {
            Some(lock) => self.shared.log.append_locked(appends, lock),
            None => self.shared.log.append_in_order(appends),
        };
        let (results, snapshot) =
            join(appending, async { cached.snapshot_if_due(&speculative, &decided.last()?.append) }).await;
        let confirmed = results.iter().all(|result| matches!(result, Ok(appended) if !appended.replayed));
        let before = cached.confirmed().revision;
        let log_reaches_the_state = !results.iter().any(|result| shows_less_than(before, result));
        if confirmed && let Some(Ok(last)) = results.last() {
            cached.confirm(speculative, last.position);
            self.store(cached, snapshot);
        }
        if results.iter().any(|result| matches!(result, Err(AppendError::Conflict { .. }))) {
            cached.lost();
        }
        let again = self.answer_all(decided, results).await;
        AfterAppend { confirmed, log_reaches_the_state, again }
    }

    /// Answers each command by what became of its append; gives back those to decide again.
    async fn answer_all<A: Aggregate>(
        &self,
        decided: Vec<Decided<A>>,
        results: Vec<Result<Appended, AppendError>>,
    ) -> Vec<Box<Pending<A>>> {
        let mut again = Vec::new();
        let mut unknown = Vec::new();
        for (one, result) in decided.into_iter().zip(results) {
            match result {
                // From the first unknown outcome on, all are asked again in order: they build on one another.
                _ if !unknown.is_empty() => unknown.push(one),
                Err(AppendError::Unavailable { .. }) => unknown.push(one),
                Ok(appended) if !appended.replayed => self.recorded(one, appended),
                other => again.extend(self.not_written(one, other)),
            }
        }
        if !unknown.is_empty() {
            again.extend(self.append_again(unknown).await);
        }
        again
    }

    /// Repeats appends of unknown outcome as they are, until the log says what became of them or the delays run out. Gives
    /// back the commands that are known not to be on record and have to be decided again.
    async fn append_again<A: Aggregate>(&self, mut unknown: Vec<Decided<A>>) -> Vec<Box<Pending<A>>> {
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
                    Err(AppendError::Unavailable { .. } | AppendError::Overloaded { .. }) => {
                        still.push(decided);
                    }
                    Ok(appended) if decided.append.stands(&appended) => self.recorded(decided, appended),
                    // It may have been recorded before what it rests on went on.
                    Err(AppendError::Outdated { .. }) => {
                        self.recorded_or(decided.pending, ExecuteError::Undecided);
                    }
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
            self.shared.answer(*decided.pending, Err(ExecuteError::Unavailable { reason }));
        }
        again
    }

    fn recorded<A: Aggregate>(&self, decided: Decided<A>, appended: Appended) {
        let Decided { pending, append: _, events } = decided;
        let answer = Ok(Executed {
            stream: appended.stream,
            revision: appended.last_revision,
            position: appended.position,
            replayed: false,
            events,
        });
        self.shared.answer(*pending, answer);
    }

    /// Answers a command that was not written now, or gives it back to be decided again.
    fn not_written<A: Aggregate>(
        &self,
        decided: Decided<A>,
        result: Result<Appended, AppendError>,
    ) -> Option<Box<Pending<A>>> {
        let Decided { mut pending, append: _, events: _ } = decided;
        let error = match result {
            Err(AppendError::CommandReused { .. } | AppendError::Size { .. })
                if !pending.conditions.is_empty() =>
            {
                ExecuteError::Undecided
            }
            Err(AppendError::Outdated { .. }) => ExecuteError::Undecided,
            Ok(appended) => {
                let shared = Arc::clone(self.shared);
                tokio::spawn(async move {
                    let answer = outcome::replay::<A>(&shared, pending.request.command, appended).await;
                    shared.answer(*pending, answer);
                });
                return None;
            }
            Err(AppendError::CommandReused { command_id }) => {
                // Its fingerprint differs; it may be the same all the same, given before keys were rotated.
                self.recorded_or(pending, ExecuteError::CommandReused { command_id });
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
            Err(AppendError::Size { stream: _, events, bytes }) => ExecuteError::TooLarge { events, bytes },
            Err(AppendError::Overloaded { retry_after }) => ExecuteError::Overloaded { retry_after },
            Err(AppendError::Refused { stream: _, reason }) => ExecuteError::LogRefused { reason },
            Err(AppendError::Unavailable { stream: _, reason }) => ExecuteError::Unavailable { reason },
        };
        self.shared.answer(*pending, Err(error));
        None
    }

    /// Answers what the command did, if it is on record. Nobody waits for that.
    fn recorded_or<A: Aggregate>(&self, pending: Box<Pending<A>>, otherwise: ExecuteError) {
        let (shared, stream) = (Arc::clone(self.shared), self.stream);
        tokio::spawn(async move {
            let command = pending.request.command;
            let answer = outcome::recorded_or::<A>(&shared, stream, command, Err(otherwise)).await;
            shared.answer(*pending, answer);
        });
    }

    fn store<A: Aggregate>(&self, cached: &mut CachedAggregate<A>, snapshot: Option<Snapshot>) {
        let Some(snapshot) = snapshot else { return };
        cached.snapshotted(&snapshot);
        self.shared.weigh(self.stream, cached.bytes_estimate());
        let shared = Arc::clone(self.shared);
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

/// Whether a conflict shows that the stream ends before the state that was decided on.
fn shows_less_than(revision: Option<Revision>, result: &Result<Appended, AppendError>) -> bool {
    matches!(result, Err(AppendError::Conflict { actual, .. }) if *actual < revision)
}
