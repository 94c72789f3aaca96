//! The log as everything above it sees it, whichever engine runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{CommandId, Digest, EventId};
use uuid::Uuid;

use crate::append_lock::AppendLock;
use crate::envelope::{CommandRef, Origin, Position, RecordedEvent, Revision, StreamId};
use crate::guarded::Refusal;
use crate::in_order;
use crate::reading;
pub use crate::reading::{PAGE_BYTES, PageLimits, ReadFilter, StreamsPage, may_go_on};
use crate::sealed::KeyRef;
pub use crate::snapshots::Snapshot;
use crate::verify::{self, Examined, Finding};

/// What the writer believes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Its last event has this revision.
    Exact(Revision),
    /// It has no events.
    NoStream,
    /// Whatever it is; for facts that contradict nothing.
    Any,
}

impl Expected {
    /// What to expect of a stream whose last revision is `last`.
    pub fn after(last: Option<Revision>) -> Self {
        last.map_or(Expected::NoStream, Expected::Exact)
    }
}

/// An encoded event on its way into the log. `Debug` shows neither payload nor sealed part.
#[derive(Clone, PartialEq)]
pub struct NewEvent {
    /// Its id.
    pub event_id: EventId,
    /// Name in the catalogue.
    pub event_type: &'static str,
    /// Version of its stored form.
    pub version: u16,
    /// Open part, encoded.
    pub payload: Bytes,
    /// Whose keys seal the sealed part; there exactly when `sealed` is.
    pub key_ref: Option<KeyRef>,
    /// Sealed part.
    pub sealed: Option<Bytes>,
}

impl NewEvent {
    /// A recorded event as it went into the log; `None` when this release does not know its name.
    pub(crate) fn of(event: &RecordedEvent) -> Option<Self> {
        Some(Self {
            event_id: event.event_id,
            event_type: crate::catalogue::name_of(&event.event_type)?,
            version: event.version,
            payload: event.payload.clone(),
            key_ref: event.key_ref,
            sealed: event.sealed.clone(),
        })
    }
}

impl fmt::Debug for NewEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewEvent")
            .field("event_id", &self.event_id)
            .field("event_type", &self.event_type)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Where a stream that an append was decided by ended when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// The stream; never the one that is appended to.
    pub stream: StreamId,
    /// Its last revision; `None` when it had no events.
    pub last: Option<Revision>,
}

/// All events of one command to one stream: recorded together or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamAppend {
    /// The stream.
    pub stream: StreamId,
    /// What the writer believes of it.
    pub expected: Expected,
    /// The command.
    pub command: CommandRef,
    /// Where it comes from.
    pub origin: Origin,
    /// The events, at least one, at most [`StreamAppend::EVENTS_MAX`].
    pub events: Vec<NewEvent>,
    /// Where other streams have to end at the moment of recording; empty for engines that cannot judge that
    /// ([`EventLog::judges_conditions`]).
    pub conditions: Vec<Condition>,
}

impl StreamAppend {
    /// Most events in one append: opening a conversation with all its first members, with room to spare.
    pub const EVENTS_MAX: usize = 2_048;
    /// Largest append in bytes, payloads and sealed parts together; below the 1 MiB default of other engines.
    pub const BYTES_MAX: usize = 1_000_000;

    /// [`crate::record_hash`] of the last event, should it get that revision.
    pub fn last_record_hash(&self, revision: Revision) -> Option<Digest> {
        let last = self.events.last()?;
        Some(crate::record_hash(self.stream, revision, last, self.command.id, &self.origin))
    }

    /// Whether what was appended, now or earlier, stands just where this append was meant to put it: then what was decided as if
    /// it had happened there is right. An append that expects nothing is right wherever it stands in its stream.
    pub fn stands(&self, appended: &Appended) -> bool {
        let first = match self.expected {
            Expected::Exact(revision) => revision.plus(1),
            Expected::NoStream => Revision::new(0),
            Expected::Any => appended.first_revision,
        };
        appended.stream == self.stream
            && appended.first_revision == first
            && appended.last_revision.get() + 1 == first.get() + self.events.len() as u64
    }

    /// Bytes of its payloads and sealed parts.
    pub fn bytes(&self) -> usize {
        let sealed = |event: &NewEvent| event.sealed.as_ref().map_or(0, Bytes::len);
        self.events.iter().map(|event| event.payload.len() + sealed(event)).sum()
    }

    /// The same, if the append is within the limits.
    ///
    /// # Errors
    /// [`AppendError::Size`] when it is not.
    pub fn checked_bytes(&self) -> Result<usize, AppendError> {
        let (events, bytes) = (self.events.len(), self.bytes());
        if (1..=Self::EVENTS_MAX).contains(&events) && bytes <= Self::BYTES_MAX {
            Ok(bytes)
        } else {
            Err(AppendError::Size { stream: self.stream, events, bytes })
        }
    }
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The stream written to. For a replay it is the stream of the first time.
    pub stream: StreamId,
    /// Revision of the first event.
    pub first_revision: Revision,
    /// Revision of the last event.
    pub last_revision: Revision,
    /// Position of the last event.
    pub position: Position,
    /// Whether the command was recorded before, and nothing was written now.
    pub replayed: bool,
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The stream is elsewhere than expected: read its tail and decide again.
    #[error("stream {stream} is at {actual:?}, not at {expected:?}")]
    Conflict {
        /// The stream.
        stream: StreamId,
        /// What was believed.
        expected: Expected,
        /// Its last revision; `None` when it has no events.
        actual: Option<Revision>,
    },
    /// The command id is on record with another fingerprint: it was used before for something else, or for the same under other
    /// versions of its keys.
    #[error("command {command_id} was recorded before with another fingerprint")]
    CommandReused {
        /// The id.
        command_id: CommandId,
    },
    /// The append is empty or larger than the limits of [`StreamAppend`].
    #[error("the append to {stream} has {events} events and {bytes} bytes")]
    Size {
        /// The stream.
        stream: StreamId,
        /// How many events.
        events: usize,
        /// How many bytes.
        bytes: usize,
    },
    /// An earlier append of the same call to the same stream was not written, or stands elsewhere than it was meant to: what
    /// builds on it was decided on a state that never was. Read the tail and decide again.
    #[error("an append to {stream} builds on one that was not written where it was meant to be")]
    Unfounded {
        /// The stream.
        stream: StreamId,
    },
    /// A stream that it was decided by has gone on since it was looked at, or this engine cannot tell: nothing was written.
    #[error("what an append to {stream} was decided by is out of date")]
    Outdated {
        /// The stream.
        stream: StreamId,
    },
    /// The queue is full: nothing was written; try again after the delay.
    #[error("the log is overloaded")]
    Overloaded {
        /// After which to try again.
        retry_after: Duration,
    },
    /// This log is not the one that the installation knows ([`EventLog::refusal`]): nothing was written.
    #[error("nothing is written to this log, and so not to {stream}: {reason}")]
    Refused {
        /// The stream.
        stream: StreamId,
        /// How it differs, and what to do.
        reason: Arc<str>,
    },
    /// The engine cannot be reached. Whether the append was written is unknown: repeating it with the same command id
    /// is safe.
    #[error("the log cannot be reached while appending to {stream}: {reason}")]
    Unavailable {
        /// The stream.
        stream: StreamId,
        /// What the engine said.
        reason: String,
    },
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The engine cannot be reached: try again.
    #[error("the log cannot be reached while {attempt}: {reason}")]
    Unavailable {
        /// What was attempted.
        attempt: &'static str,
        /// What the engine said.
        reason: String,
    },
    /// What stands in the log is not what this product writes.
    #[error("the log holds something that Envoi did not write, at {place}: {reason}")]
    Corrupt {
        /// Position or stream.
        place: String,
        /// What is wrong.
        reason: String,
    },
}

/// Tells one log from another that took its place (a restore, a fresh database): made when the log is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation(pub Uuid);

/// The end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which log.
    pub incarnation: Incarnation,
    /// Position of the last event; `None` for an empty log.
    pub position: Option<Position>,
}

/// Events after a position, without end.
#[async_trait]
pub trait Subscription: Send {
    /// Waits for the next events: at least one, in order, at most `limit`. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// When the engine cannot be reached; calling again goes on behind the last batch that was returned.
    async fn next(&mut self, limit: usize) -> Result<Vec<RecordedEvent>, LogError>;
}

/// The append-only log.
///
/// - G1 an acknowledged append is on disk and never lost;
/// - G2 per stream, revisions are contiguous from 0; an append with a wrong expectation changes nothing; within one call of
///   [`EventLog::append_in_order`], what follows an append to the same stream that was not written, or that was found
///   elsewhere than expected, is refused as [`AppendError::Unfounded`]; nothing is written, or answered as recorded before,
///   unless its [`Condition`]s hold at that moment;
/// - G3 the global order is total; a reader never sees a later event before an earlier one, and never a gap;
/// - G4 appending the same command id again returns the first result and writes nothing, from any node;
/// - G5 events are never updated or deleted;
/// - G6 a subscriber resumes after any position without loss or duplicate;
/// - G7 overload is refused early as [`AppendError::Overloaded`]; queues are bounded.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Why nothing is written to this log now: it is older than what the installation has seen, or another one. `None` where what
    /// is appended is written.
    fn refusal(&self) -> Refusal {
        None
    }

    /// Appends one command's events. Cancelling the wait does not cancel the append.
    ///
    /// # Errors
    /// See [`AppendError`]; in every case but `Unavailable` nothing was written.
    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError>;

    /// Appends several commands in order; one result each. Those to one stream build on one another: from the first that is
    /// not written, or is on record elsewhere than expected, all later ones of this call to that stream are refused as
    /// [`AppendError::Unfounded`], those that expect nothing, too. One found on record just where it was expected stands.
    /// Streams, and calls, do not touch each other. Engines that batch make this one round trip.
    async fn append_in_order(&self, appends: Vec<StreamAppend>) -> Vec<Result<Appended, AppendError>> {
        in_order::one_by_one(self, appends).await
    }

    /// Waits until no other process can append, for some milliseconds: for whoever keeps losing a stream to writers of other
    /// processes. Nothing when the engine cannot do that, or not soon.
    async fn lock_appends(&self) -> Option<AppendLock> {
        None
    }

    /// As [`EventLog::append_in_order`], for what was decided under the lock, which ends with it. That it may have
    /// ended before makes no difference: every append is judged by what it expects.
    async fn append_locked(
        &self,
        appends: Vec<StreamAppend>,
        lock: AppendLock,
    ) -> Vec<Result<Appended, AppendError>> {
        drop(lock);
        self.append_in_order(appends).await
    }

    /// Whether appends may have [`Condition`]s; an engine that cannot judge them refuses every append that has some.
    fn judges_conditions(&self) -> bool {
        false
    }

    /// What the command did, if it is on record. `stream` is where the caller would append it now; engines that keep
    /// commands by stream look there only.
    ///
    /// # Errors
    /// When the engine cannot be reached.
    async fn find_command(
        &self,
        stream: StreamId,
        command: CommandId,
    ) -> Result<Option<(Appended, Digest)>, LogError>;

    /// Events of a stream from a revision on, ascending, at most `limit`, and no more than [`PAGE_BYTES`] and the event that reaches
    /// them: [`may_go_on`] tells whether that is all. A stream without events gives none.
    ///
    /// # Errors
    /// When the engine cannot be reached or the stream holds something that we did not write.
    async fn read_stream(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError>;

    /// As [`EventLog::read_stream`], for whoever expects to find nothing: an engine may ask about many streams at once.
    ///
    /// # Errors
    /// As [`EventLog::read_stream`].
    async fn read_tail(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.read_stream(stream, from, limit).await
    }

    /// The last event of a stream.
    ///
    /// # Errors
    /// As [`EventLog::read_stream`].
    async fn last_of_stream(&self, stream: StreamId) -> Result<Option<RecordedEvent>, LogError>;

    /// Events after a position (`None`: from the start), ascending, at most `limit` that pass the filter, and no more bytes than
    /// [`EventLog::read_stream`] gives. None: there is nothing more.
    ///
    /// # Errors
    /// As [`EventLog::read_stream`].
    async fn read_all(
        &self,
        after: Option<Position>,
        limit: usize,
        filter: &ReadFilter,
    ) -> Result<Vec<RecordedEvent>, LogError>;

    /// Events of some streams behind a position (`None`: from the start), up to and with `until`, ascending by position. `until`
    /// is a position that was seen in this log. A page is short where its limits say so, or where there is no more:
    /// [`StreamsPage::reached`] tells. What it costs goes with the streams that have news, not with what is in the log.
    ///
    /// # Errors
    /// As [`EventLog::read_stream`].
    async fn read_streams(
        &self,
        streams: &[StreamId],
        after: Option<Position>,
        until: Position,
        limits: PageLimits,
    ) -> Result<StreamsPage, LogError> {
        reading::by_stream(self, streams, after, until, limits).await
    }

    /// The event at a position. Positions that were read are the only ones to ask for.
    ///
    /// # Errors
    /// As [`EventLog::read_stream`].
    async fn event_at(&self, position: Position) -> Result<Option<RecordedEvent>, LogError> {
        let before = position.get().checked_sub(1).map(Position::new);
        let found = self.read_all(before, 1, &ReadFilter::all()).await?;
        Ok(found.into_iter().next().filter(|event| event.position == position))
    }

    /// Follows the log after a position.
    ///
    /// # Errors
    /// When the engine cannot be reached.
    async fn subscribe(
        &self,
        after: Option<Position>,
        filter: ReadFilter,
    ) -> Result<Box<dyn Subscription>, LogError>;

    /// Which log this is, and its end.
    ///
    /// # Errors
    /// When the engine cannot be reached.
    async fn head(&self) -> Result<Head, LogError>;

    /// Gives the log another name, after it was restored from a backup: at positions that somebody has seen it will hold other
    /// events. Whoever holds it then has to begin anew; events stay as they are. PostgreSQL wants the log's owner for it.
    ///
    /// # Errors
    /// When the engine cannot be reached or refuses; the log may have the name then, and repeating is safe.
    async fn adopt(&self, incarnation: Incarnation) -> Result<(), LogError>;

    /// Whether appends get through now: goes their way as far as that is possible without recording anything, and remembers
    /// what became of the last ones. Takes nothing that appends and reads need.
    ///
    /// # Errors
    /// When they do not.
    async fn takes_writes(&self) -> Result<(), LogError> {
        self.head().await.map(|_| ())
    }

    /// Looks at what stands after a position (`None`: from the start) and not behind `until`, ascending, at most `limit`: also
    /// at what [`EventLog::read_all`] refuses or leaves out. What the engine keeps beside the events (commands, ends of
    /// streams) is compared with them. No entries: there is nothing more.
    ///
    /// # Errors
    /// When the engine cannot be reached.
    async fn examine(
        &self,
        after: Option<Position>,
        until: Position,
        limit: usize,
    ) -> Result<Examined, LogError> {
        verify::examine_by_reading(self, after, until, limit).await
    }

    /// Hands over what the engine keeps beside the events about what is behind `since`, and no event bears out.
    ///
    /// # Errors
    /// When the engine cannot be reached.
    async fn examine_books(
        &self,
        _since: Option<Position>,
        _found: &mut (dyn FnMut(Finding) + Send),
    ) -> Result<(), LogError> {
        Ok(())
    }

    /// The latest snapshot of a stream in the form of that version of its aggregate's state.
    ///
    /// # Errors
    /// When the store cannot be reached.
    async fn load_snapshot(&self, stream: StreamId, state_version: u16)
    -> Result<Option<Snapshot>, LogError>;

    /// Stores a snapshot in place of the one of its version. One of the version before stays: while servers are replaced by those of
    /// the next release, either finds its own. Older ones go.
    ///
    /// # Errors
    /// When the store cannot be reached; nobody depends on it having been stored.
    async fn store_snapshot(&self, snapshot: Snapshot) -> Result<(), LogError>;

    /// Name of the engine for people and metrics: `postgres`, `eventstoredb`, `memory`.
    fn engine(&self) -> &'static str;
}
