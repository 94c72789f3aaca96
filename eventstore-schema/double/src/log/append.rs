//! Appends and deletions: what the real server's index writer decides, in its order.

use bytes::Bytes;
use uuid::Uuid;

use super::system::{self, own_event};
use super::{Life, Log, RECORD_HEADER_BYTES, Record, State, TOMBSTONE_REVISION};

/// What the writer says of the stream it writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Any,
    StreamExists,
    NoStream,
    Revision(u64),
}

/// An event that a writer proposes.
pub(crate) struct Proposed {
    pub(crate) id: Uuid,
    pub(crate) event_type: String,
    /// See [`Record::body`].
    pub(crate) body: Bytes,
    /// What it takes of the log: names, metadata and data.
    pub(crate) size: u64,
}

/// An append that stands, now or from an earlier time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) last_revision: Option<u64>,
    pub(crate) position: Option<u64>,
}

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    WrongExpectedVersion { current: Option<u64> },
    Deleted,
}

/// How a stream is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deletion {
    /// It reads as missing until the next append, which goes on after its last revision.
    Soft,
    /// Nothing is ever read from or written to it again.
    Tombstone,
}

enum Decision {
    Write,
    Idempotent { last_revision: u64, position: u64 },
}

impl Log {
    /// Appends all the events or none.
    pub(crate) fn append(
        &self,
        stream: &str,
        expected: Expected,
        events: Vec<Proposed>,
    ) -> Result<Appended, Refusal> {
        let mut state = self.lock();
        let ids = events.iter().map(|event| event.id);
        if let Decision::Idempotent { last_revision, position } = state.decide(stream, expected, ids)? {
            return Ok(Appended { last_revision: Some(last_revision), position: Some(position) });
        }
        if events.is_empty() {
            let last_revision = state.find(stream).and_then(super::Stream::last_revision);
            return Ok(Appended {
                last_revision,
                position: state.records.last().map(|record| record.position),
            });
        }
        state.undelete(stream);
        let appended = state.push_all(stream, events);
        state.write_due_stats();
        let length = state.records.len();
        drop(state);
        self.announce(length);
        Ok(appended)
    }

    /// Deletes a stream; answers the position of the record that says so.
    pub(crate) fn delete(
        &self,
        stream: &str,
        expected: Expected,
        deletion: Deletion,
    ) -> Result<u64, Refusal> {
        let mut state = self.lock();
        let id = state.own_id();
        state.decide(stream, expected, std::iter::once(id))?;
        let position = match deletion {
            Deletion::Soft => {
                if state.find(stream).is_none_or(|found| found.records.is_empty()) {
                    return Err(Refusal::WrongExpectedVersion { current: None });
                }
                let position = state.truncate(stream, TOMBSTONE_REVISION);
                state.set_life(stream, Life::SoftDeleted);
                position
            }
            Deletion::Tombstone => {
                state.set_life(stream, Life::Tombstoned);
                state.push_tombstone(stream, id)
            }
        };
        let length = state.records.len();
        drop(state);
        self.announce(length);
        Ok(position)
    }
}

impl State {
    /// The order of the checks is the real server's: deletion, then idempotency, then the version.
    fn decide(
        &self,
        stream: &str,
        expected: Expected,
        ids: impl Iterator<Item = Uuid>,
    ) -> Result<Decision, Refusal> {
        let found = self.find(stream);
        let life = found.map_or(Life::Open, |found| found.life);
        let current = found.and_then(super::Stream::last_revision);
        if life == Life::Tombstoned || (life == Life::SoftDeleted && expected == Expected::StreamExists) {
            return Err(Refusal::Deleted);
        }
        let wrong = Refusal::WrongExpectedVersion { current };
        match expected {
            Expected::StreamExists if current.is_none() && !self.has_metadata(stream) => Err(wrong),
            Expected::Any | Expected::StreamExists => self.seen_lately(stream, ids).ok_or(wrong),
            Expected::NoStream if current.is_some() => match self.seen_from(stream, 0, ids) {
                Seen::All(decision) => Ok(decision),
                Seen::None if life == Life::SoftDeleted => Ok(Decision::Write),
                Seen::None | Seen::Some => Err(wrong),
            },
            Expected::Revision(revision) if current.is_some_and(|current| revision < current) => {
                match self.seen_from(stream, revision.saturating_add(1), ids) {
                    Seen::All(decision) => Ok(decision),
                    Seen::None | Seen::Some => Err(wrong),
                }
            }
            Expected::Revision(revision) if current != Some(revision) => Err(wrong),
            Expected::NoStream | Expected::Revision(_) => Ok(Decision::Write),
        }
    }

    /// Whether the stream's events from `first` on are exactly these.
    fn seen_from(&self, stream: &str, first: u64, ids: impl Iterator<Item = Uuid>) -> Seen {
        let mut last = None;
        for (revision, id) in (first..).zip(ids) {
            match self.record(stream, revision).filter(|record| record.id == id) {
                Some(record) => last = Some((revision, record.position)),
                None if last.is_none() => return Seen::None,
                None => return Seen::Some,
            }
        }
        match last {
            Some((last_revision, position)) => Seen::All(Decision::Idempotent { last_revision, position }),
            None => Seen::None,
        }
    }

    /// Whether all these were written to the stream lately; `None` when only some were.
    fn seen_lately(&self, stream: &str, ids: impl Iterator<Item = Uuid>) -> Option<Decision> {
        let stream = self.stream_ids.get(stream);
        let mut decision = Decision::Write;
        for (index, id) in ids.enumerate() {
            let record = self.recent.by_id.get(&id).and_then(|index| self.records.get(*index as usize));
            match record.filter(|record| Some(&record.stream) == stream) {
                Some(record) => {
                    decision =
                        Decision::Idempotent { last_revision: record.revision, position: record.position };
                }
                None if index == 0 => return Some(Decision::Write),
                None => return None,
            }
        }
        Some(decision)
    }

    fn has_metadata(&self, stream: &str) -> bool {
        self.find(&system::metadata_stream(stream)).is_some_and(|found| !found.records.is_empty())
    }

    fn record(&self, stream: &str, revision: u64) -> Option<&Record> {
        let index = *self.find(stream)?.records.get(usize::try_from(revision).ok()?)?;
        self.records.get(index as usize)
    }

    fn set_life(&mut self, stream: &str, life: Life) {
        let id = self.stream_id(stream) as usize;
        if let Some(found) = self.streams.get_mut(id) {
            found.life = life;
        }
    }

    /// An append to a soft-deleted stream brings it back, without its old events.
    fn undelete(&mut self, stream: &str) {
        let Some(found) = self.find(stream).filter(|found| found.life == Life::SoftDeleted) else { return };
        let next = found.records.len() as u64;
        self.truncate(stream, next);
        self.set_life(stream, Life::Open);
    }

    /// Writes the stream's metadata that hides what lies before `revision`.
    fn truncate(&mut self, stream: &str, revision: u64) -> u64 {
        let id = self.stream_id(stream) as usize;
        if let Some(found) = self.streams.get_mut(id) {
            found.truncate_before = revision;
        }
        let name = system::metadata_stream(stream);
        let event = own_event(self.own_id(), &name, "$metadata", format!("{{\"$tb\":{revision}}}"));
        self.push(&name, event)
    }

    pub(super) fn push_all(&mut self, stream: &str, events: Vec<Proposed>) -> Appended {
        let mut position = None;
        self.stats.since += events.len() as u64;
        for event in events {
            position = Some(self.push(stream, event));
        }
        Appended { last_revision: self.find(stream).and_then(super::Stream::last_revision), position }
    }

    /// Adds one record at the end; answers its position.
    pub(super) fn push(&mut self, stream: &str, event: Proposed) -> u64 {
        let id = self.stream_id(stream);
        let index = self.records.len() as u32;
        let mut revision = 0;
        if let Some(found) = self.streams.get_mut(id as usize) {
            revision = found.records.len() as u64;
            found.records.push(index);
        }
        self.push_record(stream, id, revision, event)
    }

    fn push_tombstone(&mut self, stream: &str, id: Uuid) -> u64 {
        let event = own_event(id, stream, "$streamDeleted", "{}".to_owned());
        let stream_id = self.stream_id(stream);
        self.push_record(stream, stream_id, TOMBSTONE_REVISION, event)
    }

    fn push_record(&mut self, name: &str, stream: u32, revision: u64, event: Proposed) -> u64 {
        let Proposed { id, event_type, body, size } = event;
        let event_type = self.type_id(&event_type);
        let position = self.end;
        self.end += RECORD_HEADER_BYTES + name.len() as u64 + size;
        self.recent.remember(id, self.records.len() as u32);
        self.records.push(Record { position, stream, event_type, revision, id, body });
        position
    }
}

enum Seen {
    All(Decision),
    Some,
    None,
}
