//! One stream's cell: its state between commands, and the commands that wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use domain::Aggregate;
use eventstore_schema::{Condition, Revision, StreamId};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::cached::{CachedAggregate, StateAt};
use super::in_flight::InFlightGuard;
use super::{ExecuteError, Executed, locked};
use crate::limits::{BATCH_COMMANDS_MAX, OVERLOADED_RETRY_AFTER, WAITING_PER_STREAM_MAX};
use crate::request::Request;

/// What a command is answered with.
pub(super) type Answer<A> = Result<Executed<<A as Aggregate>::Event>, ExecuteError>;

/// A command that waits for its answer.
pub(super) struct Pending<A: Aggregate> {
    pub(super) command: A::Command,
    pub(super) request: Request,
    /// What it rests on beside its own stream, as it was cached; empty for a command whose facts were read.
    pub(super) conditions: Vec<Condition>,
    /// How often it was decided already and lost to another writer.
    pub(super) conflicts: u32,
    pub(super) reply: oneshot::Sender<Answer<A>>,
    pub(super) in_flight: InFlightGuard,
    pub(super) permit: OwnedSemaphorePermit,
}

impl<A: Aggregate> Pending<A> {
    /// Answers; a caller who went away has missed it and may ask again.
    pub(super) fn answer(self, answer: Answer<A>) {
        let Self { reply, in_flight, permit, command: _, request: _, conditions: _, conflicts: _ } = self;
        // A caller who has the answer may repeat the command at once.
        drop((in_flight, permit));
        let _ = reply.send(answer);
    }
}

/// A look at the confirmed state.
pub(super) type View<A> = Box<dyn FnOnce(Result<(&A, Option<Revision>), ExecuteError>) + Send>;

/// Something to do with a stream's state, in order.
pub(super) enum Job<A: Aggregate> {
    Command(Box<Pending<A>>),
    View(View<A>),
}

impl<A: Aggregate> Job<A> {
    /// Answers with an error.
    pub(super) fn fail(self, error: ExecuteError) {
        match self {
            Job::Command(pending) => pending.answer(Err(error)),
            Job::View(view) => view(Err(error)),
        }
    }
}

struct Inner<A: Aggregate> {
    queue: VecDeque<Job<A>>,
    running: bool,
    cached: Option<Box<CachedAggregate<A>>>,
    /// The state as far as the present run has come with it, for whoever peeks meanwhile.
    seen: Option<StateAt<A>>,
}

impl<A: Aggregate> Inner<A> {
    /// Moves waiting jobs to `jobs`, as many as a run takes at once.
    fn move_to(&mut self, jobs: &mut VecDeque<Job<A>>) {
        let count = self.queue.len().min(BATCH_COMMANDS_MAX.saturating_sub(jobs.len()));
        jobs.extend(self.queue.drain(..count));
    }

    /// Lets whoever peeks see the state that a run works with. A copy costs little: what changes is copied anyway, into the
    /// speculative state.
    fn show(&mut self, cached: Option<&CachedAggregate<A>>) {
        let at = cached.map(CachedAggregate::confirmed);
        if at.map(|at| at.revision) != self.seen.as_ref().map(|seen| seen.revision) {
            self.seen = at.cloned();
        }
    }
}

/// One stream's state and queue. While a task runs the cell, the state is with the task.
pub(super) struct Cell<A: Aggregate> {
    pub(super) stream: StreamId,
    inner: Mutex<Inner<A>>,
}

impl<A: Aggregate> Cell<A> {
    pub(super) fn new(stream: StreamId) -> Self {
        let inner = Inner { queue: VecDeque::new(), running: false, cached: None, seen: None };
        Self { stream, inner: Mutex::new(inner) }
    }

    /// Queues a job. `true` says that nobody runs the cell: the caller has to start [`Running`].
    pub(super) fn enqueue(&self, job: Job<A>) -> Result<bool, ExecuteError> {
        let mut inner = locked(&self.inner);
        if inner.queue.len() >= WAITING_PER_STREAM_MAX {
            return Err(ExecuteError::Overloaded { retry_after: OVERLOADED_RETRY_AFTER });
        }
        inner.queue.push_back(job);
        Ok(!std::mem::replace(&mut inner.running, true))
    }

    /// Looks at the state, if there is one: what the log had at some moment.
    pub(super) fn peek<R>(&self, look: impl FnOnce(&A) -> R) -> Option<(R, Condition)> {
        let inner = locked(&self.inner);
        let at = inner.cached.as_ref().map(|cached| cached.confirmed()).or(inner.seen.as_ref())?;
        let condition = Condition { stream: self.stream, last: at.revision };
        Some((look(&at.state), condition))
    }
}

/// The right to run a cell. Dropped early (a task that ended in the middle), it fails what waits and forgets the state, so
/// that the next command starts from the log.
pub(super) struct Running<A: Aggregate> {
    cell: Arc<Cell<A>>,
    finished: bool,
}

impl<A: Aggregate> Running<A> {
    pub(super) fn new(cell: Arc<Cell<A>>) -> Self {
        Self { cell, finished: false }
    }

    pub(super) fn take_cached(&self) -> Option<Box<CachedAggregate<A>>> {
        let mut inner = locked(&self.cell.inner);
        let cached = inner.cached.take();
        inner.show(cached.as_deref());
        cached
    }

    /// Moves waiting jobs to `jobs`. When none wait, leaves the state behind and ends the run: `false`.
    pub(super) fn next_jobs(
        &mut self,
        jobs: &mut VecDeque<Job<A>>,
        cached: &mut Option<Box<CachedAggregate<A>>>,
    ) -> bool {
        let mut inner = locked(&self.cell.inner);
        if inner.queue.is_empty() {
            inner.running = false;
            inner.cached = cached.take();
            inner.seen = None;
            self.finished = true;
            return false;
        }
        // A run may go on for as long as somebody looks: whoever peeks meanwhile sees how far it has come.
        inner.show(cached.as_deref());
        inner.move_to(jobs);
        true
    }

    /// Moves those that came in since to `jobs`, too.
    pub(super) fn more_jobs(&self, jobs: &mut VecDeque<Job<A>>, cached: Option<&CachedAggregate<A>>) {
        let mut inner = locked(&self.cell.inner);
        inner.show(cached);
        inner.move_to(jobs);
    }
}

impl<A: Aggregate> Drop for Running<A> {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let abandoned = {
            let mut inner = locked(&self.cell.inner);
            inner.running = false;
            inner.cached = None;
            inner.seen = None;
            std::mem::take(&mut inner.queue)
        };
        for job in abandoned {
            job.fail(ExecuteError::Unavailable { reason: "execution was cut short".to_owned() });
        }
    }
}
