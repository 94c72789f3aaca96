//! The log in EventStoreDB (KurrentDB), 22.10 or newer, over its gRPC client.
//!
//! Appends to one stream go one after the other, waiting commands of a stream as one write: [`writer`], which looks for
//! repeated commands in [`recent`]. Reads go to the leader, so that everybody reads what was written last: [`reader`].
//! Following is a catch-up subscription that the server filters: [`subscription`]. All of it over [`connection`], which
//! replaces the client when it is of no use any more.
//!
//! What differs from PostgreSQL, and why nothing above has to know:
//!
//! - Positions are byte offsets: ordered, with gaps. Of commands written together all have the position of the last.
//! - A repeated command is recognised within the last 24 hours before a stream's last event and the last 10,000 commands of
//!   the stream, whichever is more (G4). For ever would take an index over the whole log.
//! - The server keeps events of others beside ours. Whatever stands in our streams without our metadata is left out of the
//!   whole log's order, with an error in the log and a metric, and refused where its stream is read.
//! - Nothing is written on conditions: the server judges the stream that it appends to and no other
//!   ([`EventLog::judges_conditions`]).
//! - Snapshots lie in PostgreSQL on both engines: they are no facts.

mod connection;
mod metadata;
mod reader;
mod recent;
mod settings;
mod subscription;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::database::Pool;
use async_trait::async_trait;
use domain::{CommandId, Digest};
use eventstore::ExpectedRevision;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use uuid::Uuid;

use crate::envelope::{Position, RecordedEvent, Revision, StreamId};
use crate::in_order::Unfounded;
use crate::log::{
    AppendError, Appended, EventLog, Head, Incarnation, LogError, ReadFilter, Snapshot, StreamAppend,
    Subscription,
};
use crate::metrics::{LogMetrics, Outcome};
use crate::snapshots::Snapshots;
use crate::verify::Examined;
use connection::Connection;
use recent::Recent;
use settings::StreamNames;
pub use settings::{EsdbSettings, EsdbSettingsError};
use subscription::EsdbSubscription;

/// Oldest server that says where in the log the events of a stream are.
const SERVER_VERSION_MIN: (usize, usize) = (22, 10);
/// How long the first answer of the server may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// Unit in which waiting bytes are counted.
const KIB: usize = 1_024;

/// How the engine connects and what it holds at most.
#[derive(Clone, Debug)]
pub struct EsdbLogConfig {
    /// The cluster.
    pub settings: EsdbSettings,
    /// What the names of our streams begin with: several logs can share a cluster.
    pub stream_prefix: String,
    /// PostgreSQL, for snapshots.
    pub snapshots: Pool,
    /// Most appends that are under way. More are refused.
    pub appends_max: usize,
    /// Most bytes of appends that are under way.
    pub append_bytes_max: usize,
    /// How long an append is tried while the server cannot be reached before it fails as unavailable.
    pub patience: Duration,
}

impl EsdbLogConfig {
    /// What the names of streams begin with unless said otherwise.
    pub const STREAM_PREFIX: &'static str = "envoi.";

    /// The defaults of a server.
    pub fn new(settings: EsdbSettings, snapshots: Pool) -> Self {
        Self {
            settings,
            stream_prefix: Self::STREAM_PREFIX.to_owned(),
            snapshots,
            appends_max: 8_192,
            append_bytes_max: 64 * 1024 * 1024,
            patience: Duration::from_secs(5),
        }
    }
}

/// What everything of one log shares.
struct Shared {
    config: EsdbLogConfig,
    names: StreamNames,
    connection: Connection,
    recent: Recent,
    snapshots: Snapshots,
    metrics: LogMetrics,
    /// Names this handle in the server's ids of its events.
    writer: Uuid,
    /// Where the log begins: on a shared server everything before is of others.
    begin: AtomicU64,
    /// A position of ours that is in the log.
    known: AtomicU64,
    /// The last position at which something foreign was reported.
    foreign: AtomicU64,
    appends: Arc<Semaphore>,
    kibibytes: Arc<Semaphore>,
}

impl Shared {
    /// Where to read on behind a position, or from the start.
    fn from(&self, after: Option<u64>) -> u64 {
        after.unwrap_or_else(|| self.begin.load(Ordering::Relaxed))
    }

    /// The log reaches at least to `position`.
    fn know(&self, position: Position) {
        self.known.fetch_max(position.get(), Ordering::Relaxed);
        self.metrics.reached(position);
    }

    /// An event of the whole log, if it is ours; something foreign in a stream of ours is reported.
    fn ours(&self, event: eventstore::RecordedEvent) -> Option<RecordedEvent> {
        match metadata::decode(&self.names, event)? {
            Ok(stored) => Some(stored.event),
            Err(foreign) => {
                if self.foreign.fetch_max(foreign.position, Ordering::Relaxed) < foreign.position {
                    self.metrics.foreign();
                    let (place, reason) = (&foreign.place, &foreign.reason);
                    tracing::error!(place, reason, "left out an event that Envoi did not write");
                }
                None
            }
        }
    }
}

/// The EventStoreDB engine.
pub struct EsdbEventLog {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for EsdbEventLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EsdbEventLog").finish_non_exhaustive()
    }
}

impl EsdbEventLog {
    /// Connects. The first log of a process has to be opened before anything else sets up TLS.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses the credentials, is too old, or the prefix cannot be used. Later
    /// interruptions heal by themselves.
    pub async fn connect(config: EsdbLogConfig) -> Result<Self, LogError> {
        let attempt = "connecting";
        let unavailable = |reason: String| LogError::Unavailable { attempt, reason };
        let names =
            StreamNames::new(&config.stream_prefix).map_err(|error| unavailable(error.to_string()))?;
        let metrics = LogMetrics::new("eventstoredb").map_err(|error| unavailable(error.to_string()))?;
        let connection = Connection::open(config.settings.client.clone(), metrics.clone()).await?;
        let info = connection
            .patiently(CONNECT_PATIENCE, CONNECT_PATIENCE, |client: eventstore::Client| async move {
                client.server_info().await
            })
            .await
            .map_err(|failure| unavailable(failure.reason()))?;
        if info.version() < SERVER_VERSION_MIN {
            let (major, minor) = SERVER_VERSION_MIN;
            return Err(unavailable(format!(
                "the server is version {}.{}, {major}.{minor} or newer is needed",
                info.version().major(),
                info.version().minor(),
            )));
        }
        #[allow(clippy::disallowed_methods, reason = "each handle is another one")]
        let writer = Uuid::new_v4();
        let shared = Arc::new(Shared {
            names,
            connection,
            recent: Recent::new(),
            snapshots: Snapshots::new(config.snapshots.clone()),
            metrics,
            writer,
            begin: AtomicU64::new(0),
            known: AtomicU64::new(0),
            foreign: AtomicU64::new(0),
            appends: Arc::new(Semaphore::new(config.appends_max)),
            kibibytes: Arc::new(Semaphore::new(config.append_bytes_max / KIB)),
            config,
        });
        reader::head(&shared).await?;
        Ok(Self { shared })
    }

    /// What it measures.
    pub fn metrics(&self) -> &LogMetrics {
        &self.shared.metrics
    }

    /// Room for appends that are under way; `None` when it is full.
    fn admit(&self, appends: usize, bytes: usize) -> Option<[OwnedSemaphorePermit; 2]> {
        let shared = &self.shared;
        let take = |room: &Arc<Semaphore>, count: usize| {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            Arc::clone(room).try_acquire_many_owned(count).ok()
        };
        let kibibytes = bytes.div_ceil(KIB);
        let room = take(&shared.appends, appends)
            .and_then(|places| Some([places, take(&shared.kibibytes, kibibytes)?]));
        let waiting = shared.config.appends_max - shared.appends.available_permits();
        let waiting_kib = shared.config.append_bytes_max / KIB - shared.kibibytes.available_permits();
        shared.metrics.waiting(waiting, waiting_kib * KIB);
        if room.is_none() {
            shared.metrics.refused();
        }
        room
    }

    /// Runs appends to one stream to their end, whether somebody waits or not.
    async fn run(
        &self,
        stream: StreamId,
        appends: Arc<[StreamAppend]>,
    ) -> Vec<Result<Appended, AppendError>> {
        let bytes = appends.iter().map(StreamAppend::bytes).sum();
        let Some(room) = self.admit(appends.len(), bytes) else {
            let refused = AppendError::Overloaded { retry_after: writer::OVERLOADED_RETRY_AFTER };
            let unfounded = appends.iter().skip(1).map(|_| Err(AppendError::Unfounded { stream }));
            return std::iter::once(Err(refused)).chain(unfounded).collect();
        };
        let (shared, count) = (Arc::clone(&self.shared), appends.len());
        let started = Instant::now();
        let task = tokio::spawn(async move {
            let _room = room;
            let results = writer::run(&shared, stream, &appends).await;
            shared.count(&appends, &results, started);
            results
        });
        task.await.unwrap_or_else(|_| {
            let ended = || AppendError::Unavailable { stream, reason: "the process is ending".to_owned() };
            (0..count).map(|_| Err(ended())).collect()
        })
    }
}

impl Shared {
    fn count(&self, appends: &[StreamAppend], results: &[Result<Appended, AppendError>], started: Instant) {
        let (mut events, mut position) = (0, 0);
        for (append, result) in appends.iter().zip(results) {
            let outcome = match result {
                Ok(appended) if appended.replayed => Outcome::Replayed,
                Ok(appended) => {
                    events += append.events.len();
                    position = appended.position.get();
                    Outcome::Written
                }
                Err(AppendError::Unavailable { .. }) => Outcome::Unavailable,
                Err(AppendError::Overloaded { .. }) => {
                    self.metrics.refused();
                    continue;
                }
                Err(_) => Outcome::Conflict,
            };
            self.metrics.appended(outcome, started.elapsed());
        }
        if events > 0 {
            self.metrics.batch(events, position);
        }
    }
}

#[async_trait]
impl EventLog for EsdbEventLog {
    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        append.checked_bytes()?;
        let stream = append.stream;
        if !append.conditions.is_empty() {
            return Err(AppendError::Outdated { stream });
        }
        let results = self.run(stream, Arc::new([append])).await;
        let missing = || AppendError::Unavailable { stream, reason: "nothing became of it".to_owned() };
        results.into_iter().next().unwrap_or_else(|| Err(missing()))
    }

    async fn append_in_order(&self, appends: Vec<StreamAppend>) -> Vec<Result<Appended, AppendError>> {
        let mut results: Vec<Result<Appended, AppendError>> = Vec::with_capacity(appends.len());
        let mut unfounded = Unfounded::default();
        for (stream, run) in writer::runs(appends) {
            let has_conditions = run.iter().any(|append| !append.conditions.is_empty());
            let tried = match unfounded.admit(stream) {
                Ok(()) if has_conditions => vec![Err(AppendError::Outdated { stream })],
                Ok(()) => self.run(stream, Arc::clone(&run)).await,
                Err(error) => vec![Err(error)],
            };
            let mut tried = tried.into_iter();
            for append in run.iter() {
                let result = tried.next().unwrap_or(Err(AppendError::Unfounded { stream }));
                unfounded.note(append, &result);
                results.push(result);
            }
        }
        results
    }

    async fn find_command(
        &self,
        stream: StreamId,
        command: CommandId,
    ) -> Result<Option<(Appended, Digest)>, LogError> {
        let cell = self.shared.recent.of(stream);
        let mut tail = cell.tail.lock().await;
        reader::update(&self.shared, stream, &mut tail).await?;
        self.shared.recent.weigh(stream, &cell, &tail);
        Ok(tail.find(stream, command))
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        reader::read_stream(&self.shared, stream, from, limit).await
    }

    async fn last_of_stream(&self, stream: StreamId) -> Result<Option<RecordedEvent>, LogError> {
        reader::last_of_stream(&self.shared, stream).await
    }

    async fn read_all(
        &self,
        after: Option<Position>,
        limit: usize,
        filter: &ReadFilter,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        reader::read_all(&self.shared, after, limit, filter).await
    }

    async fn event_at(&self, position: Position) -> Result<Option<RecordedEvent>, LogError> {
        reader::event_at(&self.shared, position).await
    }

    async fn subscribe(
        &self,
        after: Option<Position>,
        filter: ReadFilter,
    ) -> Result<Box<dyn Subscription>, LogError> {
        Ok(Box::new(EsdbSubscription::new(Arc::clone(&self.shared), after, filter)))
    }

    async fn head(&self) -> Result<Head, LogError> {
        reader::head(&self.shared).await
    }

    async fn adopt(&self, incarnation: Incarnation) -> Result<(), LogError> {
        reader::name(&self.shared, ExpectedRevision::Any, incarnation).await
    }

    async fn takes_writes(&self) -> Result<(), LogError> {
        if self.shared.metrics.is_failing() {
            let reason = "the last append failed".to_owned();
            return Err(LogError::Unavailable { attempt: "asking whether the log takes writes", reason });
        }
        self.head().await.map(|_| ())
    }

    async fn examine(
        &self,
        after: Option<Position>,
        until: Position,
        limit: usize,
    ) -> Result<Examined, LogError> {
        reader::examine(&self.shared, after, until, limit).await
    }

    async fn load_snapshot(
        &self,
        stream: StreamId,
        state_version: u16,
    ) -> Result<Option<Snapshot>, LogError> {
        self.shared.snapshots.load(stream, state_version).await
    }

    async fn store_snapshot(&self, snapshot: Snapshot) -> Result<(), LogError> {
        self.shared.snapshots.store(snapshot).await
    }

    fn engine(&self) -> &'static str {
        "eventstoredb"
    }
}
