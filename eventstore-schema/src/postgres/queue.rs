//! What waits for the writer: first in, first out, bounded in events and bytes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Digest;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::append_lock::AppendLock;
use crate::envelope::{Revision, StreamId};
use crate::log::{AppendError, Appended, Expected, StreamAppend};
use crate::metrics::LogMetrics;

/// One call of an appender. Its appends wait one behind the other and build on one another, stream by stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) id: u64,
    pub(super) since: Instant,
}

/// An append that waits, with everything that is needed to write it and to answer.
pub(super) struct Waiting {
    pub(super) call: Call,
    pub(super) append: Arc<StreamAppend>,
    /// What the caller believes; never `Any`.
    pub(super) expected: Expected,
    /// Revision that its first event gets.
    pub(super) first: Revision,
    /// Hash of each event.
    pub(super) hashes: Vec<Digest>,
    pub(super) bytes: usize,
    /// Was sent before, in a batch of which nobody knows whether it was written.
    pub(super) is_doubtful: bool,
    /// Was found to rest on nothing that has gone on, when others of its batch did.
    pub(super) is_sifted: bool,
    /// Goes in a batch by itself, because a batch that it was in was refused as a whole.
    pub(super) alone: bool,
    pub(super) reply: oneshot::Sender<Result<Appended, AppendError>>,
}

impl Waiting {
    pub(super) fn events(&self) -> usize {
        self.append.events.len()
    }

    /// The same after a batch with it failed: to be written by itself if the batch was refused, in doubt if it was lost.
    pub(super) fn failed(mut self, refused: bool) -> Self {
        self.alone |= refused;
        self.is_doubtful |= !refused;
        self
    }

    /// Its call and stream.
    pub(super) fn chain(&self) -> (u64, StreamId) {
        (self.call.id, self.append.stream)
    }

    /// Answers that it builds on what was not written; of one that was sent before, that nobody knows.
    pub(super) fn refuse_unfounded(self) {
        let stream = self.append.stream;
        match self.is_doubtful {
            true => self.give_up("what it builds on was not written when it was sent again"),
            false => self.answer(Err(AppendError::Unfounded { stream })),
        }
    }

    /// Answers that what it was decided by has gone on; of one that was sent before, that nobody knows.
    pub(super) fn refuse_outdated(self) {
        let stream = self.append.stream;
        match self.is_doubtful {
            true => self.give_up("what it was decided by has gone on since it was sent"),
            false => self.answer(Err(AppendError::Outdated { stream })),
        }
    }

    /// Answers the caller, who may have gone.
    pub(super) fn answer(self, result: Result<Appended, AppendError>) {
        let _ = self.reply.send(result);
    }

    /// Answers that the log cannot be reached.
    pub(super) fn give_up(self, reason: &str) {
        let stream = self.append.stream;
        self.answer(Err(AppendError::Unavailable { stream, reason: reason.to_owned() }));
    }
}

/// Bounds of the queue.
#[derive(Clone, Copy)]
pub(super) struct QueueLimits {
    pub(super) events_max: usize,
    pub(super) bytes_max: usize,
}

/// The queue has no room for what was pushed, or the engine is closing.
#[derive(Debug)]
pub(super) struct Full;

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    events: usize,
    bytes: usize,
    closed: bool,
    /// Those who wait for the append lock.
    lockers: Vec<oneshot::Sender<AppendLock>>,
    /// Whether the writer is connected.
    is_served: bool,
    /// While those decide who have the append lock: how many of their appends wait, in front of all others.
    decided: Option<usize>,
}

/// The queue.
pub(super) struct Queue {
    limits: QueueLimits,
    state: Mutex<State>,
    arrived: Notify,
    calls: AtomicU64,
    metrics: LogMetrics,
}

impl Queue {
    pub(super) fn new(limits: QueueLimits, metrics: LogMetrics) -> Self {
        Self { limits, state: Mutex::default(), arrived: Notify::new(), calls: AtomicU64::new(0), metrics }
    }

    /// A call that begins now.
    pub(super) fn call(&self) -> Call {
        Call { id: self.calls.fetch_add(1, Ordering::Relaxed), since: Instant::now() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all of them, in order, or none; in front of the others those that were decided under the append lock, as long as the
    /// batch with which that ends has not been taken. What is already waiting does not keep a single large append out for ever: an
    /// empty queue takes any append that is within the limits of one.
    pub(super) fn push(&self, more: Vec<Waiting>, is_locked: bool) -> Result<(), Full> {
        let events: usize = more.iter().map(Waiting::events).sum();
        let bytes: usize = more.iter().map(|one| one.bytes).sum();
        let mut state = self.state();
        let too_many =
            state.events + events > self.limits.events_max || state.bytes + bytes > self.limits.bytes_max;
        if state.closed || (too_many && !(state.waiting.is_empty() && more.len() == 1)) {
            return Err(Full);
        }
        state.events += events;
        state.bytes += bytes;
        let was_empty = state.waiting.is_empty();
        match state.decided {
            Some(decided) if is_locked => {
                let others = state.waiting.split_off(decided);
                state.waiting.extend(more);
                state.decided = Some(state.waiting.len());
                state.waiting.extend(others);
            }
            _ => state.waiting.extend(more),
        }
        drop(state);
        if was_empty {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Puts back, in front, what could not be written. They were admitted before, so no limit applies.
    pub(super) fn put_back(&self, unwritten: Vec<Waiting>) {
        let mut state = self.state();
        for one in unwritten.into_iter().rev() {
            state.events += one.events();
            state.bytes += one.bytes;
            state.waiting.push_front(one);
        }
        self.arrived.notify_one();
    }

    /// Takes from the front as many as `count` says; it also says something about them.
    pub(super) fn take<T>(&self, count: impl FnOnce(&VecDeque<Waiting>) -> (usize, T)) -> (Vec<Waiting>, T) {
        let mut state = self.state();
        let (count, said) = count(&state.waiting);
        let taken: Vec<_> = state.waiting.drain(..count).collect();
        state.decided = None;
        self.left(&mut state, &taken);
        (taken, said)
    }

    /// Takes out what belongs to these calls and streams, wherever it waits.
    pub(super) fn take_chains(&self, chains: &[(u64, StreamId)]) -> Vec<Waiting> {
        let mut state = self.state();
        let (taken, kept) = std::mem::take(&mut state.waiting)
            .into_iter()
            .partition::<VecDeque<_>, _>(|one| chains.contains(&one.chain()));
        state.waiting = kept;
        let taken = Vec::from(taken);
        self.left(&mut state, &taken);
        taken
    }

    fn left(&self, state: &mut State, taken: &[Waiting]) {
        for one in taken {
            state.events -= one.events();
            state.bytes -= one.bytes;
        }
        self.metrics.waiting(state.events, state.bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().waiting.is_empty()
    }

    /// Asks for the append lock; nothing comes while the writer has no connection.
    pub(super) fn lock_appends(&self) -> oneshot::Receiver<AppendLock> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        if state.is_served && !state.closed {
            state.lockers.push(sender);
            drop(state);
            self.arrived.notify_one();
        }
        receiver
    }

    /// Takes those who wait for the append lock, and whether they are to have it.
    pub(super) fn take_lockers(&self, may_decide: bool) -> Vec<oneshot::Sender<AppendLock>> {
        let mut state = self.state();
        state.decided = may_decide.then_some(0);
        std::mem::take(&mut state.lockers)
    }

    /// Leaves those who wait for the append lock without.
    pub(super) fn refuse_lockers(&self) {
        drop(self.take_lockers(false));
    }

    /// Whether somebody waits for the append lock.
    pub(super) fn wants_lock(&self) -> bool {
        !self.state().lockers.is_empty()
    }

    /// Whether the writer is connected from now on.
    pub(super) fn serve(&self, is_served: bool) {
        self.state().is_served = is_served;
        if !is_served {
            self.refuse_lockers();
        }
    }

    /// Waits until something is there or the queue is closed. For one waiter.
    pub(super) async fn arrival(&self) {
        loop {
            {
                let state = self.state();
                if !state.waiting.is_empty() || !state.lockers.is_empty() || state.closed {
                    return;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Takes nothing more in.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.arrived.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }
}
