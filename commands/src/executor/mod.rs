//! Executes commands: loads the state, decides, seals, appends, once each and in order.

mod admission;
mod append;
mod cached;
mod cell;
mod cells;
mod error;
mod in_flight;
mod outcome;
mod processor;
mod seal;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Aggregate;
use eventstore_schema::{Condition, EventLog, Position, Revision, Sealer, StreamId};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::clock::Clock;
use crate::limits::{OVERLOADED_RETRY_AFTER, WAITING_MAX};
use crate::metrics::Metrics;
use crate::request::Request;

pub use self::admission::StandingSession;
use self::cell::{Job, Pending, View};
use self::cells::Cells;
pub use self::error::ExecuteError;
use self::in_flight::InFlight;

/// What a command did.
#[derive(Clone, Debug, PartialEq)]
pub struct Executed<E> {
    /// The stream. For a replay it is the stream of the first time.
    pub stream: StreamId,
    /// The stream's revision after the command.
    pub revision: Revision,
    /// Position of the stream's event at that revision; read models that reached it show the command's effect.
    pub position: Position,
    /// Whether the command took effect before, and nothing was written now.
    pub replayed: bool,
    /// What happened: the events of the first time. Empty when there was nothing to do.
    pub events: Vec<E>,
}

/// A state as the log has it at one moment.
#[derive(Clone, Debug)]
pub struct Loaded<A: Aggregate> {
    /// The state; the default one for a stream without events.
    pub state: A,
    /// Revision of its last event; `None` for a stream without events.
    pub revision: Option<Revision>,
}

/// Executes commands against the log, on the runtime that it was made on, whichever they come from: a thread that answers
/// requests is not held up by a stream's thousands of events, and its end ends no command. Clones share everything.
#[derive(Clone)]
pub struct Executor {
    shared: Arc<Shared>,
}

/// What all cells share.
struct Shared {
    runtime: Handle,
    log: Arc<dyn EventLog>,
    sealer: Arc<Sealer>,
    clock: Clock,
    metrics: Metrics,
    cells: Mutex<Cells>,
    in_flight: InFlight,
    waiting: Arc<Semaphore>,
}

impl Executor {
    /// An executor over a log. There may be any number of them over one log, in any number of processes. Has to be called
    /// within the Tokio runtime that commands are to run on.
    pub fn new(log: Arc<dyn EventLog>, sealer: Arc<Sealer>, clock: Clock, metrics: Metrics) -> Self {
        Self::with_cells(log, sealer, clock, metrics, Cells::default())
    }

    fn with_cells(
        log: Arc<dyn EventLog>,
        sealer: Arc<Sealer>,
        clock: Clock,
        metrics: Metrics,
        cells: Cells,
    ) -> Self {
        let waiting = Arc::new(Semaphore::new(WAITING_MAX));
        let (cells, in_flight, runtime) = (Mutex::new(cells), InFlight::default(), Handle::current());
        let shared = Shared { runtime, log, sealer, clock, metrics, cells, in_flight, waiting };
        Self { shared: Arc::new(shared) }
    }

    /// Executes a command, once the session that it comes from was found to stand ([`Executor::admit`]). Cancelling the wait
    /// does not cancel the command.
    ///
    /// # Errors
    /// See [`ExecuteError`]; in every case but `Unavailable` nothing was written.
    pub async fn execute<A: Aggregate>(
        &self,
        id: A::Id,
        command: A::Command,
        request: &Request,
    ) -> Result<Executed<A::Event>, ExecuteError> {
        self.writes()?;
        self.admit(request).await?;
        self.execute_on::<A>(id, command, request, Vec::new()).await
    }

    /// Executes a command that was admitted, on the condition that the streams which that rests on end where they were seen to
    /// ([`Executor::peek`]): the log judges that as it records. So nothing has to be read before, and nobody's access outlives
    /// its end. With conditions the command is on record, or undecided: no refusal by a rule rests on what may be out of date.
    ///
    /// # Errors
    /// [`ExecuteError::Undecided`]; those of [`Executor::execute`] but for `Rejected` and `RevisionMismatch`.
    pub(crate) async fn execute_on<A: Aggregate>(
        &self,
        id: A::Id,
        command: A::Command,
        request: &Request,
        conditions: Vec<Condition>,
    ) -> Result<Executed<A::Event>, ExecuteError> {
        let timer = self.shared.metrics.duration.with_label_values(&[A::CATEGORY.name()]).start_timer();
        self.writes()?;
        let in_flight = self.shared.in_flight.enter(request.command)?;
        let permit = self.permit()?;
        let (reply, answer) = oneshot::channel();
        let request = *request;
        let pending = Pending { command, request, conditions, conflicts: 0, reply, in_flight, permit };
        self.enqueue::<A>(id, Job::Command(Box::new(pending)))?;
        let answer = answer.await.unwrap_or_else(|_| Err(cut_short()));
        match answer {
            // The command goes on, and is observed as a whole.
            Err(ExecuteError::Undecided) => timer.stop_and_discard(),
            _ => timer.stop_and_record(),
        };
        answer
    }

    /// Refuses a command for a reason that lies outside its aggregate; one that is on record is answered as the first time.
    ///
    /// # Errors
    /// `error`, or what [`Executor::execute`] says of a command that is on record.
    pub async fn refuse<A: Aggregate>(
        &self,
        id: A::Id,
        request: &Request,
        error: ExecuteError,
    ) -> Result<Executed<A::Event>, ExecuteError> {
        let stream = StreamId::new(A::CATEGORY, id);
        let answer = outcome::recorded_or::<A>(&self.shared, stream, request.command, Err(error)).await;
        self.shared.count::<A>(&answer);
        answer
    }

    /// Looks at an aggregate's state as the log has it now, in line with the commands that came before.
    ///
    /// # Errors
    /// `Overloaded`, `Unavailable`, `Corrupt`.
    pub async fn view<A, R>(
        &self,
        id: A::Id,
        look: impl FnOnce(&A, Option<Revision>) -> R + Send + 'static,
    ) -> Result<R, ExecuteError>
    where
        A: Aggregate,
        R: Send + 'static,
    {
        let permit = self.permit()?;
        let (reply, answer) = oneshot::channel();
        let view: View<A> = Box::new(move |state| {
            let _ = reply.send(state.map(|(state, revision)| look(state, revision)));
            drop(permit);
        });
        self.enqueue::<A>(id, Job::View(view))?;
        answer.await.unwrap_or_else(|_| Err(cut_short()))
    }

    /// Looks at an aggregate's state as it is cached: what the log had at some moment. Nothing when it is not, and over a log
    /// that cannot judge conditions.
    pub(crate) fn peek<A: Aggregate, R>(
        &self,
        id: A::Id,
        look: impl FnOnce(&A) -> R,
    ) -> Option<(R, Condition)> {
        if !self.shared.log.judges_conditions() {
            return None;
        }
        let cell = locked(&self.shared.cells).find::<A>(StreamId::new(A::CATEGORY, id))?;
        cell.peek(look)
    }

    /// Copies an aggregate's state as the log has it now. States of long streams are large: prefer [`Executor::view`].
    ///
    /// # Errors
    /// As [`Executor::view`].
    pub async fn load<A: Aggregate>(&self, id: A::Id) -> Result<Loaded<A>, ExecuteError> {
        self.view::<A, _>(id, |state, revision| Loaded { state: state.clone(), revision }).await
    }

    /// Whether anything is written now: of a log that is not the right one not even what it has recorded is answered, which may
    /// not be so in the right one.
    ///
    /// # Errors
    /// [`ExecuteError::LogRefused`].
    pub(crate) fn writes(&self) -> Result<(), ExecuteError> {
        self.shared.log.refusal().map_or(Ok(()), |reason| Err(ExecuteError::LogRefused { reason }))
    }

    /// The log that is written to.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.shared.log
    }

    /// Time and new ids.
    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Where commands run, and whatever else has to go on when whoever asked for it is gone.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.shared.runtime
    }

    /// Waits until no command is being executed; for an orderly end after no more come in.
    pub async fn idle(&self) {
        let all = u32::try_from(WAITING_MAX).unwrap_or(u32::MAX);
        let _ = self.shared.waiting.acquire_many(all).await;
    }

    /// How many streams are held in memory.
    #[cfg(test)]
    fn cells(&self) -> usize {
        locked(&self.shared.cells).size().0
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, ExecuteError> {
        let permit = Arc::clone(&self.shared.waiting).try_acquire_owned();
        permit.map_err(|_| ExecuteError::Overloaded { retry_after: OVERLOADED_RETRY_AFTER })
    }

    fn enqueue<A: Aggregate>(&self, id: A::Id, job: Job<A>) -> Result<(), ExecuteError> {
        let (cell, evicted) = {
            let mut cells = locked(&self.shared.cells);
            let (cell, evicted) = cells.get::<A>(StreamId::new(A::CATEGORY, id));
            self.shared.gauge(&cells);
            (cell, evicted)
        };
        drop(evicted);
        if cell.enqueue(job)? {
            self.shared.runtime.spawn(processor::run(Arc::clone(&self.shared), cell));
        }
        Ok(())
    }
}

impl Shared {
    fn weigh(&self, stream: StreamId, bytes: usize) {
        let evicted = {
            let mut cells = locked(&self.cells);
            let evicted = cells.weigh(stream, bytes);
            self.gauge(&cells);
            evicted
        };
        drop(evicted);
    }

    fn gauge(&self, cells: &Cells) {
        let (count, bytes) = cells.size();
        self.metrics.cells.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.metrics.cells_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        let waiting = WAITING_MAX.saturating_sub(self.waiting.available_permits());
        self.metrics.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Counts the answer and gives it.
    fn answer<A: Aggregate>(&self, pending: Pending<A>, answer: Result<Executed<A::Event>, ExecuteError>) {
        if !matches!(answer, Err(ExecuteError::Undecided)) {
            self.count::<A>(&answer);
        }
        pending.answer(answer);
    }

    fn count<A: Aggregate>(&self, answer: &Result<Executed<A::Event>, ExecuteError>) {
        let outcome = match answer {
            Ok(executed) if executed.replayed => "replayed",
            Ok(executed) if executed.events.is_empty() => "nothing",
            Ok(_) => "recorded",
            Err(error) => error.outcome(),
        };
        self.metrics.commands.with_label_values(&[A::CATEGORY.name(), outcome]).inc();
    }
}

fn cut_short() -> ExecuteError {
    ExecuteError::Unavailable { reason: "execution was cut short".to_owned() }
}

/// The lock; what a panic left behind under these short locks is whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
