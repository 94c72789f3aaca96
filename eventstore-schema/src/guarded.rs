//! A log that takes no writes as long as it is not the one that the installation knows.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{CommandId, Digest};
use tokio::sync::watch;

use crate::append_lock::AppendLock;
use crate::envelope::{Position, RecordedEvent, Revision, StreamId};
use crate::log::{
    AppendError, Appended, EventLog, Head, Incarnation, LogError, PageLimits, ReadFilter, Snapshot,
    StreamAppend, StreamsPage, Subscription,
};
use crate::verify::{Examined, Finding};

/// Why nothing may be written to a log; none where everything may.
pub type Refusal = Option<Arc<str>>;

/// A log that refuses appends while it is said not to be the right one. Everything else goes through.
pub struct GuardedLog {
    log: Arc<dyn EventLog>,
    refusal: watch::Receiver<Refusal>,
}

impl GuardedLog {
    /// The log, written to only while `refusal` holds none.
    pub fn new(log: Arc<dyn EventLog>, refusal: watch::Receiver<Refusal>) -> Self {
        Self { log, refusal }
    }

    fn refused(&self, stream: StreamId) -> Option<AppendError> {
        let reason = self.refusal.borrow().clone()?;
        Some(AppendError::Refused { stream, reason })
    }

    /// The same answer for each of several appends.
    fn refuse_all(&self, appends: &[StreamAppend]) -> Option<Vec<Result<Appended, AppendError>>> {
        self.refusal.borrow().as_ref()?;
        let refused = |append: &StreamAppend| {
            let reason = self.refusal.borrow().clone().unwrap_or_default();
            Err(AppendError::Refused { stream: append.stream, reason })
        };
        Some(appends.iter().map(refused).collect())
    }
}

#[async_trait]
impl EventLog for GuardedLog {
    fn refusal(&self) -> Refusal {
        self.refusal.borrow().clone()
    }

    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        match self.refused(append.stream) {
            Some(refused) => Err(refused),
            None => self.log.append(append).await,
        }
    }

    async fn append_in_order(&self, appends: Vec<StreamAppend>) -> Vec<Result<Appended, AppendError>> {
        match self.refuse_all(&appends) {
            Some(refused) => refused,
            None => self.log.append_in_order(appends).await,
        }
    }

    async fn lock_appends(&self) -> Option<AppendLock> {
        self.log.lock_appends().await
    }

    async fn append_locked(
        &self,
        appends: Vec<StreamAppend>,
        lock: AppendLock,
    ) -> Vec<Result<Appended, AppendError>> {
        match self.refuse_all(&appends) {
            Some(refused) => refused,
            None => self.log.append_locked(appends, lock).await,
        }
    }

    fn judges_conditions(&self) -> bool {
        self.log.judges_conditions()
    }

    async fn find_command(
        &self,
        stream: StreamId,
        command: CommandId,
    ) -> Result<Option<(Appended, Digest)>, LogError> {
        self.log.find_command(stream, command).await
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.log.read_stream(stream, from, limit).await
    }

    async fn read_tail(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.log.read_tail(stream, from, limit).await
    }

    async fn last_of_stream(&self, stream: StreamId) -> Result<Option<RecordedEvent>, LogError> {
        self.log.last_of_stream(stream).await
    }

    async fn read_all(
        &self,
        after: Option<Position>,
        limit: usize,
        filter: &ReadFilter,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.log.read_all(after, limit, filter).await
    }

    async fn read_streams(
        &self,
        streams: &[StreamId],
        after: Option<Position>,
        until: Position,
        limits: PageLimits,
    ) -> Result<StreamsPage, LogError> {
        self.log.read_streams(streams, after, until, limits).await
    }

    async fn event_at(&self, position: Position) -> Result<Option<RecordedEvent>, LogError> {
        self.log.event_at(position).await
    }

    async fn subscribe(
        &self,
        after: Option<Position>,
        filter: ReadFilter,
    ) -> Result<Box<dyn Subscription>, LogError> {
        self.log.subscribe(after, filter).await
    }

    async fn head(&self) -> Result<Head, LogError> {
        self.log.head().await
    }

    async fn adopt(&self, incarnation: Incarnation) -> Result<(), LogError> {
        self.log.adopt(incarnation).await
    }

    async fn takes_writes(&self) -> Result<(), LogError> {
        match self.refusal() {
            Some(reason) => Err(LogError::Unavailable {
                attempt: "asking whether the log takes writes",
                reason: (*reason).to_owned(),
            }),
            None => self.log.takes_writes().await,
        }
    }

    async fn examine(
        &self,
        after: Option<Position>,
        until: Position,
        limit: usize,
    ) -> Result<Examined, LogError> {
        self.log.examine(after, until, limit).await
    }

    async fn examine_books(
        &self,
        since: Option<Position>,
        found: &mut (dyn FnMut(Finding) + Send),
    ) -> Result<(), LogError> {
        self.log.examine_books(since, found).await
    }

    async fn load_snapshot(
        &self,
        stream: StreamId,
        state_version: u16,
    ) -> Result<Option<Snapshot>, LogError> {
        self.log.load_snapshot(stream, state_version).await
    }

    async fn store_snapshot(&self, snapshot: Snapshot) -> Result<(), LogError> {
        match self.refusal() {
            // A state of the other log in place of one of this.
            Some(reason) => {
                Err(LogError::Unavailable { attempt: "storing a snapshot", reason: (*reason).to_owned() })
            }
            None => self.log.store_snapshot(snapshot).await,
        }
    }

    fn engine(&self) -> &'static str {
        self.log.engine()
    }
}
