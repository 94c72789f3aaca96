//! A stream's state as this process holds it: loaded from snapshot and tail, brought up to date, snapshotted.

use bytes::Bytes;
use domain::{Aggregate, Timestamp};
use eventstore_schema::{EventLog, Position, RecordedEvent, Revision, Snapshot, StreamId, catalogue, codec};

use super::ExecuteError;
use crate::limits::{LOAD_PAGE_EVENTS, SNAPSHOT_BYTES_PER_EVENT, SNAPSHOT_EVENTS_MIN};

/// State, and where in its stream it stands.
pub(super) struct Held<A> {
    pub(super) state: A,
    pub(super) revision: Option<Revision>,
    /// Position of the event at `revision`; unknown until that event is on record.
    pub(super) position: Option<Position>,
    /// Revision of the newest snapshot that was read or handed over for storing.
    snapshot_revision: Option<Revision>,
    snapshot_bytes: usize,
}

impl<A: Aggregate> Held<A> {
    fn empty() -> Self {
        Self {
            state: A::default(),
            revision: None,
            position: None,
            snapshot_revision: None,
            snapshot_bytes: 0,
        }
    }

    /// Reads the state from snapshot and tail, or from the whole stream.
    pub(super) async fn load(log: &dyn EventLog, stream: StreamId) -> Result<Self, ExecuteError> {
        let failed = |error| ExecuteError::from_log(stream, &error);
        if let Some(snapshot) = log.load_snapshot(stream).await.map_err(failed)?
            && let Some(mut held) = Self::from_snapshot(&snapshot)
        {
            // The snapshot's own event is read again: it gives the position, and shows that the snapshot is this log's.
            let page = log.read_stream(stream, snapshot.revision, LOAD_PAGE_EVENTS).await.map_err(failed)?;
            if let Some((first, tail)) = page.split_first() {
                held.position = Some(first.position);
                held.fold_all(stream, tail)?;
                if page.len() == LOAD_PAGE_EVENTS {
                    held.refresh(log, stream).await?;
                }
                return Ok(held);
            }
        }
        let mut held = Self::empty();
        held.refresh(log, stream).await?;
        Ok(held)
    }

    fn from_snapshot(snapshot: &Snapshot) -> Option<Self> {
        if snapshot.state_version != A::STATE_VERSION {
            return None;
        }
        match codec::decode::<A>(&snapshot.state) {
            Ok(state) => Some(Self {
                state,
                revision: Some(snapshot.revision),
                position: None,
                snapshot_revision: Some(snapshot.revision),
                snapshot_bytes: snapshot.state.len(),
            }),
            Err(error) => {
                tracing::warn!(stream = %snapshot.stream, %error, "a snapshot cannot be read: replaying the stream");
                None
            }
        }
    }

    /// Folds in what others have written since. Only for a state without events of its own that are not on record.
    pub(super) async fn refresh(&mut self, log: &dyn EventLog, stream: StreamId) -> Result<(), ExecuteError> {
        loop {
            let page = log
                .read_stream(stream, self.next_revision(), LOAD_PAGE_EVENTS)
                .await
                .map_err(|error| ExecuteError::from_log(stream, &error))?;
            self.fold_all(stream, &page)?;
            if page.len() < LOAD_PAGE_EVENTS {
                return Ok(());
            }
        }
    }

    fn fold_all(&mut self, stream: StreamId, events: &[RecordedEvent]) -> Result<(), ExecuteError> {
        for recorded in events {
            if recorded.revision != self.next_revision() {
                let reason = format!("revision {} follows {:?}", recorded.revision, self.revision);
                return Err(ExecuteError::Corrupt { stream, reason });
            }
            let event = decode_event::<A>(recorded)?;
            self.state.evolve(&event, recorded.origin.recorded_at);
            self.revision = Some(recorded.revision);
            self.position = Some(recorded.position);
        }
        Ok(())
    }

    /// Folds in events that are about to be appended, and returns the revision of the first.
    pub(super) fn evolve(&mut self, events: &[A::Event], at: Timestamp) {
        for event in events {
            self.state.evolve(event, at);
            self.revision = Some(self.next_revision());
        }
        self.position = None;
    }

    /// The revision that the next event gets.
    pub(super) fn next_revision(&self) -> Revision {
        self.revision.map_or(Revision::new(0), |revision| revision.plus(1))
    }

    /// Whether enough was written since the last snapshot, in relation to what one costs.
    pub(super) fn snapshot_due(&self) -> bool {
        let after_snapshot = self.snapshot_revision.map_or(0, |revision| revision.plus(1).get());
        let events = self.next_revision().get().saturating_sub(after_snapshot);
        let bytes = u64::try_from(self.snapshot_bytes).unwrap_or(u64::MAX);
        events >= SNAPSHOT_EVENTS_MIN.max(bytes / SNAPSHOT_BYTES_PER_EVENT)
    }

    /// The state encoded as a snapshot at the current revision.
    pub(super) fn snapshot(&self, stream: StreamId) -> Option<Snapshot> {
        let revision = self.revision?;
        let state: Bytes = codec::encode(&self.state).ok()?;
        Some(Snapshot { stream, revision, state_version: A::STATE_VERSION, state })
    }

    /// Notes that a snapshot was handed over for storing.
    pub(super) fn snapshotted(&mut self, snapshot: &Snapshot) {
        self.snapshot_revision = Some(snapshot.revision);
        self.snapshot_bytes = snapshot.state.len();
    }

    /// What the state takes in memory, roughly: twice its encoded size, and what every cell takes.
    pub(super) fn bytes_estimate(&self) -> usize {
        let since = self.snapshot_revision.map_or(0, |revision| revision.plus(1).get());
        let tail = self.next_revision().get().saturating_sub(since);
        let tail_bytes = usize::try_from(tail).unwrap_or(usize::MAX).saturating_mul(TAIL_BYTES_PER_EVENT);
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
