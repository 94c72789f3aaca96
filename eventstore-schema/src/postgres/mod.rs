//! The log in PostgreSQL.
//!
//! Appends of a whole process go through one writer, which sends everything that waits as one call of `log.append`
//! (group commit): [`queue`] -> [`batch`] -> [`writer`]. Reads are ordered index scans over a pool: [`reader`]. Whoever
//! follows the log is woken by the writer, other processes by `NOTIFY`, and looks by itself now and then: [`signals`]. What
//! this process wrote last it hands to them itself: [`tail`]. Many streams are read together: [`streams`]. Whether streams went on is asked of many at once: [`tails`].
//! Streams that several processes write to are decided while this one holds the append lock: [`locking`].

mod batch;
mod encoding;
mod examine;
mod locking;
mod queue;
mod reader;
mod room;
mod rows;
mod signals;
mod streams;
mod tail;
mod tails;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use crate::database::Config;
use async_trait::async_trait;
use domain::{CommandId, Digest};
use tokio::sync::oneshot;

use crate::append_lock::AppendLock;
use crate::database::{self, Pool, PoolOptions, Role};
use crate::envelope::{Position, RecordedEvent, Revision, StreamId, record_hash};
use crate::in_order::{self, Unfounded};
use crate::log::{
    AppendError, Appended, EventLog, Expected, Head, Incarnation, LogError, PageLimits, ReadFilter, Snapshot,
    StreamAppend, StreamsPage, Subscription,
};
use crate::metrics::LogMetrics;
use crate::snapshots::Snapshots;
use crate::verify::{Examined, Finding};
use queue::{Call, Queue, QueueLimits, Waiting};
use reader::PgSubscription;
use room::Room;
pub(crate) use rows::{category_code, describe};
use signals::Signals;
use tail::Tail;
use tails::Tails;

/// How often an append that expects nothing tries to catch a stream that moves.
const ANY_ATTEMPTS_MAX: usize = 32;
/// What a refused caller waits: about the time in which a full queue is written.
const OVERLOADED_RETRY_AFTER: Duration = Duration::from_millis(250);
/// Longest that the append lock is waited for: many batches of all processes.
const LOCKING_MAX: Duration = Duration::from_secs(1);
/// Options of every connection that reads. All reads are index scans in order; statistics of a young table must not talk
/// the planner into anything else.
const READER_OPTIONS: &str = "-c plan_cache_mode=force_generic_plan -c enable_sort=off -c enable_seqscan=off \
    -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_mergejoin=off";
/// Longest that asking whether the log takes writes may take in the server.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(2);
/// A page of a filtered read looks through thousands of events of a log that may lie on a slow disk.
const READ_WAIT_MAX: Duration = Duration::from_secs(60);

/// How the engine connects and what it holds at most.
#[derive(Clone, Debug)]
pub struct PgLogConfig {
    /// The database. The engine works in [`Role::App`].
    pub connection: Config,
    /// Connections that read.
    pub readers: usize,
    /// Most events that wait for the writer: about a second of its work. More are refused.
    pub queue_events_max: usize,
    /// Most bytes that wait for the writer.
    pub queue_bytes_max: usize,
    /// How long an append waits for a lost connection to come back before it fails as unavailable.
    pub patience: Duration,
    /// How long the commands that wait for an [`AppendLock`] are given to be decided, while other processes cannot append.
    pub deciding_max: Duration,
    /// After how long the server ends the connection of a process that has the append lock and does nothing.
    pub stopped_max: Duration,
}

impl PgLogConfig {
    /// The defaults of a server.
    pub fn new(connection: Config) -> Self {
        Self {
            connection,
            readers: 8,
            queue_events_max: 16_384,
            queue_bytes_max: 64 * 1024 * 1024,
            patience: Duration::from_secs(5),
            deciding_max: Duration::from_millis(5),
            stopped_max: Duration::from_millis(500),
        }
    }
}

/// What the tasks of one engine share.
struct Shared {
    config: PgLogConfig,
    queue: Queue,
    signals: Signals,
    tail: Tail,
    tails: Tails,
    room: Room,
    metrics: LogMetrics,
    pool: Pool,
    /// For asking whether the log takes writes: whoever asks takes no connection from those who read.
    probe: Pool,
    snapshots: Snapshots,
}

/// The PostgreSQL engine. Dropping it writes what waits and ends its tasks.
pub struct PgEventLog {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for PgEventLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgEventLog").finish_non_exhaustive()
    }
}

impl Drop for PgEventLog {
    fn drop(&mut self) {
        self.shared.queue.close();
        self.shared.signals.close();
    }
}

impl PgEventLog {
    /// Connects, and starts the writer and the listener on the current runtime.
    ///
    /// # Errors
    /// When the server cannot be reached or holds no log of this form. Later interruptions heal by themselves.
    pub async fn connect(config: PgLogConfig) -> Result<Self, LogError> {
        let unavailable = |reason: String| LogError::Unavailable { attempt: "connecting", reason };
        let options = PoolOptions {
            size: config.readers,
            statement_wait_max: READ_WAIT_MAX,
            server_options: READER_OPTIONS,
        };
        let pool = Pool::new(&config.connection, Role::App, options)
            .map_err(|error| unavailable(error.to_string()))?;
        let options = PoolOptions { statement_wait_max: PROBE_WAIT_MAX, ..PoolOptions::of_size(1) };
        let probe = Pool::new(&config.connection, Role::App, options)
            .map_err(|error| unavailable(error.to_string()))?;
        let limits = QueueLimits { events_max: config.queue_events_max, bytes_max: config.queue_bytes_max };
        let metrics = LogMetrics::new("postgres").map_err(|error| unavailable(error.to_string()))?;
        let shared = Arc::new(Shared {
            queue: Queue::new(limits, metrics.clone()),
            signals: Signals::new(),
            tail: Tail::default(),
            tails: Tails::default(),
            room: Room::default(),
            metrics,
            snapshots: Snapshots::new(pool.clone()),
            pool,
            probe,
            config,
        });
        let head = reader::head(&shared).await?;
        shared.signals.known(head.position.map_or(0, Position::get));
        reader::warn_of_lost_durability(&shared).await?;
        tokio::spawn(writer::run(shared.clone()));
        tokio::spawn(signals::run(shared.clone()));
        Ok(Self { shared })
    }

    /// What it measures.
    pub fn metrics(&self) -> &LogMetrics {
        &self.shared.metrics
    }

    /// Checks the size, computes the hashes and puts the append into a form that can wait. `expected` is not `Any`.
    fn prepare(
        &self,
        call: Call,
        append: Arc<StreamAppend>,
        expected: Expected,
    ) -> Result<(Waiting, Reply), AppendError> {
        let bytes = append.checked_bytes()?;
        let first = match expected {
            Expected::Exact(revision) => revision.plus(1),
            Expected::NoStream | Expected::Any => Revision::new(0),
        };
        let numbered = append.events.iter().zip(0..);
        let hashes = numbered
            .map(|(event, n)| {
                record_hash(append.stream, first.plus(n), event, append.command.id, &append.origin)
            })
            .collect();
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting {
            call,
            append,
            expected,
            first,
            hashes,
            bytes,
            is_doubtful: false,
            is_sifted: false,
            alone: false,
            reply,
        };
        Ok((waiting, answer))
    }

    fn submit(&self, waiting: Vec<Waiting>, is_locked: bool) -> Result<(), AppendError> {
        self.shared.queue.push(waiting, is_locked).map_err(|_full| {
            self.shared.metrics.refused();
            AppendError::Overloaded { retry_after: OVERLOADED_RETRY_AFTER }
        })
    }

    async fn append_expecting(
        &self,
        append: Arc<StreamAppend>,
        expected: Expected,
    ) -> Result<Appended, AppendError> {
        let stream = append.stream;
        let (waiting, answer) = self.prepare(self.shared.queue.call(), append, expected)?;
        self.submit(vec![waiting], false)?;
        answer_of(stream, answer).await
    }

    /// The writer needs a revision, because it is part of the hash: guesses that the stream is new and is told better.
    async fn append_any(&self, append: Arc<StreamAppend>) -> Result<Appended, AppendError> {
        let mut expected = Expected::NoStream;
        let mut attempt = 1;
        loop {
            match self.append_expecting(append.clone(), expected).await {
                Err(AppendError::Conflict { actual, .. }) if attempt < ANY_ATTEMPTS_MAX => {
                    expected = Expected::after(actual);
                }
                result => return result,
            }
            attempt += 1;
        }
    }

    async fn append_all(
        &self,
        appends: Vec<StreamAppend>,
        lock: Option<AppendLock>,
    ) -> Vec<Result<Appended, AppendError>> {
        if appends.iter().any(|append| append.expected == Expected::Any) {
            drop(lock);
            return in_order::one_by_one(self, appends).await;
        }
        let call = self.shared.queue.call();
        let mut unfounded = Unfounded::default();
        let mut waiting = Vec::with_capacity(appends.len());
        let mut answers = Vec::with_capacity(appends.len());
        for append in appends {
            let append = Arc::new(append);
            let prepared = unfounded
                .admit(append.stream)
                .and_then(|()| self.prepare(call, Arc::clone(&append), append.expected));
            answers.push((
                Arc::clone(&append),
                prepared.map(|(one, answer)| {
                    waiting.push(one);
                    answer
                }),
            ));
            if let Some((_, Err(_))) = answers.last() {
                unfounded.refuse(append.stream);
            }
        }
        let is_full = self.submit(waiting, lock.is_some()).is_err();
        // What it was for waits in the queue now.
        drop(lock);
        let mut unfounded = Unfounded::default();
        let mut results = Vec::with_capacity(answers.len());
        for (append, answer) in answers {
            let result = match answer {
                Err(error) => Err(error),
                Ok(_) if is_full && unfounded.builds_on(append.stream) => {
                    Err(AppendError::Unfounded { stream: append.stream })
                }
                Ok(_) if is_full => Err(AppendError::Overloaded { retry_after: OVERLOADED_RETRY_AFTER }),
                Ok(answer) => answer_of(append.stream, answer).await,
            };
            unfounded.note(&append, &result);
            results.push(result);
        }
        results
    }
}

type Reply = oneshot::Receiver<Result<Appended, AppendError>>;

async fn answer_of(stream: StreamId, answer: Reply) -> Result<Appended, AppendError> {
    let gone = |_| AppendError::Unavailable { stream, reason: "the writer has ended".to_owned() };
    answer.await.map_err(gone)?
}

#[async_trait]
impl EventLog for PgEventLog {
    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        match append.expected {
            Expected::Any => self.append_any(Arc::new(append)).await,
            expected => self.append_expecting(Arc::new(append), expected).await,
        }
    }

    async fn lock_appends(&self) -> Option<AppendLock> {
        tokio::time::timeout(LOCKING_MAX, self.shared.queue.lock_appends()).await.ok()?.ok()
    }

    async fn append_locked(
        &self,
        appends: Vec<StreamAppend>,
        lock: AppendLock,
    ) -> Vec<Result<Appended, AppendError>> {
        self.append_all(appends, Some(lock)).await
    }

    async fn append_in_order(&self, appends: Vec<StreamAppend>) -> Vec<Result<Appended, AppendError>> {
        self.append_all(appends, None).await
    }

    fn judges_conditions(&self) -> bool {
        true
    }

    async fn find_command(
        &self,
        _stream: StreamId,
        command: CommandId,
    ) -> Result<Option<(Appended, Digest)>, LogError> {
        reader::find_command(&self.shared, command).await
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        reader::read_stream(&self.shared, stream, from, limit).await
    }

    async fn read_tail(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        if tails::goes_on(&self.shared, stream, from).await? {
            reader::read_stream(&self.shared, stream, from, limit).await
        } else {
            Ok(Vec::new())
        }
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

    async fn read_streams(
        &self,
        streams: &[StreamId],
        after: Option<Position>,
        until: Position,
        limits: PageLimits,
    ) -> Result<StreamsPage, LogError> {
        streams::read_streams(&self.shared, streams, after, until, limits).await
    }

    async fn subscribe(
        &self,
        after: Option<Position>,
        filter: ReadFilter,
    ) -> Result<Box<dyn Subscription>, LogError> {
        Ok(Box::new(PgSubscription::new(self.shared.clone(), after, filter)))
    }

    async fn head(&self) -> Result<Head, LogError> {
        reader::head(&self.shared).await
    }

    async fn adopt(&self, incarnation: Incarnation) -> Result<(), LogError> {
        let failed = |error: &tokio_postgres::Error| LogError::Unavailable {
            attempt: "giving the log another name",
            reason: describe(error),
        };
        // As who logs in, and in no role of the server's: none of those may do that.
        let client =
            database::connect(&self.shared.config.connection).await.map_err(|error| failed(&error))?;
        let updated = client.execute("UPDATE log.identity SET incarnation = $1", &[&incarnation.0]).await;
        updated.map(|_| ()).map_err(|error| failed(&error))
    }

    async fn takes_writes(&self) -> Result<(), LogError> {
        reader::try_write(&self.shared).await
    }

    async fn examine(
        &self,
        after: Option<Position>,
        until: Position,
        limit: usize,
    ) -> Result<Examined, LogError> {
        examine::page(&self.shared, after, until, limit).await
    }

    async fn examine_books(
        &self,
        since: Option<Position>,
        found: &mut (dyn FnMut(Finding) + Send),
    ) -> Result<(), LogError> {
        examine::commands(&self.shared, since, found).await?;
        examine::streams(&self.shared, since, found).await
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
        "postgres"
    }
}
