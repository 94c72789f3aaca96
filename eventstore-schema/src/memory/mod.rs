//! The log in memory, for tests: keeps every guarantee but durability, and fails on demand.
//!
//! Positions have gaps, as on engines whose positions are byte offsets, so that nothing above comes to count on them.
#![allow(clippy::disallowed_methods, reason = "each log of a test is another one")]

mod faults;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::{CommandId, Digest};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use crate::envelope::{Position, RecordedEvent, Revision, StreamId};
use crate::log::{
    AppendError, Appended, EventLog, Expected, Head, Incarnation, LogError, PageLimits, ReadFilter, Snapshot,
    StreamAppend, StreamsPage, Subscription,
};
pub use faults::{Fault, Faults};
use state::State;

/// Appends that may be on their way at once, unless said otherwise.
const WAITING_MAX: usize = 16_384;
/// What a refused caller is told to wait.
const OVERLOADED_RETRY_AFTER: Duration = Duration::from_millis(10);

struct Shared {
    state: Mutex<State>,
    grown: watch::Sender<()>,
    places: Semaphore,
    faults: Faults,
}

/// A log in memory. Clones are handles on the same log.
#[derive(Clone)]
pub struct MemoryEventLog {
    shared: Arc<Shared>,
}

impl Default for MemoryEventLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryEventLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::with_places(WAITING_MAX)
    }

    /// An empty log that refuses to have more than `waiting_max` appends on their way at once.
    pub fn with_places(waiting_max: usize) -> Self {
        let shared = Shared {
            state: Mutex::new(State::new(Incarnation(Uuid::new_v4()))),
            grown: watch::Sender::new(()),
            places: Semaphore::new(waiting_max),
            faults: Faults::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The switches that make it fail.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Goes back to its first `events` events, as a restore from an older backup does.
    pub fn restore(&self, events: usize) {
        self.state().restore(events);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, unless reads are made to fail.
    fn readable(&self, attempt: &'static str) -> Result<MutexGuard<'_, State>, LogError> {
        if self.shared.faults.reads_fail() {
            return Err(LogError::Unavailable { attempt, reason: "made to fail".to_owned() });
        }
        Ok(self.state())
    }

    fn write(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        let result = self.state().append(append);
        self.shared.grown.send_replace(());
        result
    }
}

#[async_trait]
impl EventLog for MemoryEventLog {
    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        append.checked_bytes()?;
        let overloaded = AppendError::Overloaded { retry_after: OVERLOADED_RETRY_AFTER };
        let Ok(_place) = self.shared.places.try_acquire() else { return Err(overloaded) };
        let stream = append.stream;
        let unavailable = || AppendError::Unavailable { stream, reason: "made to fail".to_owned() };
        match self.shared.faults.next() {
            None => self.write(append),
            Some(Fault::FailBefore) => Err(unavailable()),
            Some(Fault::FailAfter) => {
                self.write(append)?;
                Err(unavailable())
            }
            Some(Fault::Overloaded) => Err(overloaded),
            Some(Fault::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                self.write(append)
            }
            Some(Fault::Overtaken) => {
                let mut first = append.clone();
                first.expected = Expected::Any;
                first.command.id = self.state().unused_command();
                self.write(first)?;
                self.write(append)
            }
        }
    }

    fn judges_conditions(&self) -> bool {
        true
    }

    async fn find_command(
        &self,
        _stream: StreamId,
        command: CommandId,
    ) -> Result<Option<(Appended, Digest)>, LogError> {
        Ok(self.readable("looking for a command")?.find_command(command))
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        Ok(self.readable("reading a stream")?.read_stream(stream, from, limit))
    }

    async fn last_of_stream(&self, stream: StreamId) -> Result<Option<RecordedEvent>, LogError> {
        Ok(self.readable("reading the end of a stream")?.last_of_stream(stream))
    }

    async fn read_all(
        &self,
        after: Option<Position>,
        limit: usize,
        filter: &ReadFilter,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        Ok(self.readable("reading the log")?.read_all(after, limit, filter))
    }

    async fn read_streams(
        &self,
        streams: &[StreamId],
        after: Option<Position>,
        until: Position,
        limits: PageLimits,
    ) -> Result<StreamsPage, LogError> {
        Ok(self.readable("reading streams together")?.read_streams(streams, after, until, limits))
    }

    async fn subscribe(
        &self,
        after: Option<Position>,
        filter: ReadFilter,
    ) -> Result<Box<dyn Subscription>, LogError> {
        Ok(Box::new(MemorySubscription { log: self.clone(), after, filter }))
    }

    async fn head(&self) -> Result<Head, LogError> {
        Ok(self.readable("reading the head of the log")?.head())
    }

    async fn adopt(&self, incarnation: Incarnation) -> Result<(), LogError> {
        self.readable("giving the log another name")?.incarnation = incarnation;
        Ok(())
    }

    async fn load_snapshot(
        &self,
        stream: StreamId,
        state_version: u16,
    ) -> Result<Option<Snapshot>, LogError> {
        Ok(self.readable("loading a snapshot")?.snapshots.get(&(stream, state_version)).cloned())
    }

    async fn store_snapshot(&self, snapshot: Snapshot) -> Result<(), LogError> {
        self.readable("storing a snapshot")?.store_snapshot(snapshot);
        Ok(())
    }

    fn engine(&self) -> &'static str {
        "memory"
    }
}

struct MemorySubscription {
    log: MemoryEventLog,
    after: Option<Position>,
    filter: ReadFilter,
}

#[async_trait]
impl Subscription for MemorySubscription {
    async fn next(&mut self, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        let mut grown = self.log.shared.grown.subscribe();
        loop {
            let events =
                self.log.readable("following the log")?.read_all(self.after, limit.max(1), &self.filter);
            if let Some(last) = events.last() {
                self.after = Some(last.position);
                return Ok(events);
            }
            if grown.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
