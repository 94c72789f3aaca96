//! A stream's state as this process caches it: loaded from snapshot and tail, brought up to date, snapshotted.

use bytes::Bytes;
use domain::{Aggregate, Timestamp};
use eventstore_schema::{
    AppendLock, EventLog, Position, RecordedEvent, Revision, Snapshot, StreamAppend, StreamId, catalogue,
    codec, may_go_on,
};

use super::ExecuteError;
use crate::limits::{CONTENDED_LOCKS, LOAD_PAGE_EVENTS, SNAPSHOT_BYTES_PER_EVENT, SNAPSHOT_EVENTS_MIN};

/// An aggregate's state at a revision of its stream. Copies share what they have in common.
#[derive(Clone)]
pub(super) struct StateAt<A> {
    pub(super) state: A,
    /// Revision of the last event folded in; `None` for a stream without events.
    pub(super) revision: Option<Revision>,
}

impl<A: Aggregate> StateAt<A> {
    /// Folds in events that are about to be appended.
    pub(super) fn evolve(&mut self, events: &[A::Event], at: Timestamp) {
        for event in events {
            self.state.evolve(event, at);
            self.revision = Some(self.next_revision());
        }
    }

    /// The revision that the next event gets.
    pub(super) fn next_revision(&self) -> Revision {
        self.revision.map_or(Revision::new(0), |revision| revision.plus(1))
    }

    /// The state encoded as a snapshot, for when `last`, which it ends with, is on record.
    fn snapshot(&self, last: &StreamAppend) -> Option<Snapshot> {
        let revision = self.revision?;
        let record_hash = last.last_record_hash(revision)?;
        let state: Bytes = codec::encode(&self.state).ok()?;
        Some(Snapshot { stream: last.stream, revision, record_hash, state_version: A::STATE_VERSION, state })
    }
}

/// The state that a stream's recorded events make. Nothing that is not on record is ever folded in, so it stays true whatever
/// becomes of an append; it may only be behind.
pub(super) struct CachedAggregate<A> {
    confirmed: StateAt<A>,
    /// Position of the event at the confirmed revision.
    position: Option<Position>,
    /// Revision of the newest snapshot that was read or handed over for storing.
    snapshot_revision: Option<Revision>,
    snapshot_bytes: usize,
    /// For how many times under the append lock more the stream is taken to be written to by other processes, too.
    contended: u8,
}

impl<A: Aggregate> CachedAggregate<A> {
    fn empty() -> Self {
        let confirmed = StateAt { state: A::default(), revision: None };
        Self { confirmed, position: None, snapshot_revision: None, snapshot_bytes: 0, contended: 0 }
    }

    /// Reads the state from snapshot and tail, or from the whole stream.
    pub(super) async fn load(log: &dyn EventLog, stream: StreamId) -> Result<Self, ExecuteError> {
        let failed = |error| ExecuteError::from_log(stream, &error);
        if let Some(snapshot) = log.load_snapshot(stream, A::STATE_VERSION).await.map_err(failed)?
            && let Some(mut cached) = Self::from_snapshot(&snapshot)
        {
            // The snapshot's own event is read again: it gives the position, and shows that the snapshot is of this history.
            let page = log.read_stream(stream, snapshot.revision, LOAD_PAGE_EVENTS).await.map_err(failed)?;
            if let Some((first, tail)) = page.split_first()
                && first.hash == snapshot.record_hash
            {
                cached.position = Some(first.position);
                cached.fold_all(stream, tail)?;
                if may_go_on(&page, LOAD_PAGE_EVENTS) {
                    cached.read_on(log, stream).await?;
                }
                return Ok(cached);
            }
            tracing::warn!(%stream, "a snapshot is not of what the log holds: replaying the stream");
        }
        let mut cached = Self::empty();
        cached.read_on(log, stream).await?;
        Ok(cached)
    }

    fn from_snapshot(snapshot: &Snapshot) -> Option<Self> {
        match codec::decode_snapshot::<A>(&snapshot.state) {
            Ok(state) => Some(Self {
                confirmed: StateAt { state, revision: Some(snapshot.revision) },
                position: None,
                snapshot_revision: Some(snapshot.revision),
                snapshot_bytes: snapshot.state.len(),
                contended: 0,
            }),
            Err(error) => {
                tracing::warn!(stream = %snapshot.stream, %error, "a snapshot cannot be read: replaying the stream");
                None
            }
        }
    }

    /// Folds in what was recorded since, which mostly is nothing. What was read before a failure stays folded in.
    pub(super) async fn refresh(&mut self, log: &dyn EventLog, stream: StreamId) -> Result<(), ExecuteError> {
        let page = log
            .read_tail(stream, self.confirmed.next_revision(), LOAD_PAGE_EVENTS)
            .await
            .map_err(|error| ExecuteError::from_log(stream, &error))?;
        self.fold_all(stream, &page)?;
        if may_go_on(&page, LOAD_PAGE_EVENTS) { self.read_on(log, stream).await } else { Ok(()) }
    }

    /// Folds in what others recorded, as whoever holds the append lock has it at hand; `false` when it is not.
    pub(super) fn refresh_under(
        &mut self,
        lock: &AppendLock,
        stream: StreamId,
    ) -> Result<bool, ExecuteError> {
        let tail = lock.tail(stream, self.confirmed.next_revision());
        let has_news = tail.as_ref().is_some_and(|events| !events.is_empty());
        self.contended = if has_news { CONTENDED_LOCKS } else { self.contended.saturating_sub(1) };
        let is_at_hand = tail.is_some();
        self.fold_all(stream, &tail.unwrap_or_default())?;
        Ok(is_at_hand)
    }

    /// Whether others keep writing to the stream.
    pub(super) fn is_contended(&self) -> bool {
        self.contended > 0
    }

    /// The append lock could not be had.
    pub(super) fn went_unlocked(&mut self) {
        self.contended = self.contended.saturating_sub(1);
    }

    /// Somebody else's append came first.
    pub(super) fn lost(&mut self) {
        self.contended = CONTENDED_LOCKS;
    }

    /// Folds in what follows, however much.
    async fn read_on(&mut self, log: &dyn EventLog, stream: StreamId) -> Result<(), ExecuteError> {
        loop {
            let page = log
                .read_stream(stream, self.confirmed.next_revision(), LOAD_PAGE_EVENTS)
                .await
                .map_err(|error| ExecuteError::from_log(stream, &error))?;
            self.fold_all(stream, &page)?;
            if !may_go_on(&page, LOAD_PAGE_EVENTS) {
                return Ok(());
            }
        }
    }

    fn fold_all(&mut self, stream: StreamId, events: &[RecordedEvent]) -> Result<(), ExecuteError> {
        for recorded in events {
            let confirmed = &mut self.confirmed;
            if recorded.revision != confirmed.next_revision() {
                let reason = format!("revision {} follows {:?}", recorded.revision, confirmed.revision);
                return Err(ExecuteError::Corrupt { stream, reason });
            }
            let event = decode_event::<A>(recorded)?;
            confirmed.state.evolve(&event, recorded.origin.recorded_at);
            confirmed.revision = Some(recorded.revision);
            self.position = Some(recorded.position);
        }
        Ok(())
    }

    /// What the recorded events make.
    pub(super) fn confirmed(&self) -> &StateAt<A> {
        &self.confirmed
    }

    /// Position of the event at the confirmed revision; `None` for a stream without events.
    pub(super) fn position(&self) -> Option<Position> {
        self.position
    }

    /// Everything that was decided is on record, its last event at `position`.
    pub(super) fn confirm(&mut self, speculative: StateAt<A>, position: Position) {
        self.confirmed = speculative;
        self.position = Some(position);
    }

    /// A snapshot of what was decided, for when it is on record, `last` as the last of it: if enough was written since the
    /// last snapshot, in relation to what one costs.
    pub(super) fn snapshot_if_due(&self, speculative: &StateAt<A>, last: &StreamAppend) -> Option<Snapshot> {
        let bytes = u64::try_from(self.snapshot_bytes).unwrap_or(u64::MAX);
        let due = SNAPSHOT_EVENTS_MIN.max(bytes / SNAPSHOT_BYTES_PER_EVENT);
        (self.events_since_snapshot(speculative) >= due).then(|| speculative.snapshot(last)).flatten()
    }

    /// Notes that a snapshot was handed over for storing.
    pub(super) fn snapshotted(&mut self, snapshot: &Snapshot) {
        self.snapshot_revision = Some(snapshot.revision);
        self.snapshot_bytes = snapshot.state.len();
    }

    fn events_since_snapshot(&self, at: &StateAt<A>) -> u64 {
        let after_snapshot = self.snapshot_revision.map_or(0, |revision| revision.plus(1).get());
        at.next_revision().get().saturating_sub(after_snapshot)
    }

    /// What the state takes in memory, roughly: twice its encoded size, and what every cell takes.
    pub(super) fn bytes_estimate(&self) -> usize {
        let tail = usize::try_from(self.events_since_snapshot(&self.confirmed)).unwrap_or(usize::MAX);
        let tail_bytes = tail.saturating_mul(TAIL_BYTES_PER_EVENT);
        CELL_BYTES.saturating_add(self.snapshot_bytes.saturating_mul(2)).saturating_add(tail_bytes)
    }
}

/// What a cell takes beside its state.
const CELL_BYTES: usize = 1_024;
/// What an event adds to a state, at a guess, until a snapshot tells.
const TAIL_BYTES_PER_EVENT: usize = 64;

/// Decodes an event as one of the aggregate's.
pub(super) fn decode_event<A: Aggregate>(recorded: &RecordedEvent) -> Result<A::Event, ExecuteError> {
    let corrupt = |reason| ExecuteError::Corrupt { stream: recorded.stream, reason };
    let event = catalogue::decode_recorded(recorded).map_err(|error| corrupt(error.to_string()))?;
    A::Event::try_from(event).map_err(|_| corrupt(format!("{} does not belong here", recorded.event_type)))
}
