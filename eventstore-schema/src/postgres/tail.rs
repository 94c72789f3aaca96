//! The newest events that this process wrote, or read when it took the append lock: who follows the log at its end, or decides
//! under the lock, need not ask the database for them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::envelope::{Position, RecordedEvent, Revision, StreamId};
use crate::log::{Appended, PAGE_BYTES, ReadFilter};

use super::queue::Waiting;

/// Most events that are kept: some hundred milliseconds of a busy process.
const EVENTS_MAX: usize = 4_096;
/// Most bytes of payloads and sealed parts that are kept.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// A run of events without gap that ends with the last one that this process wrote, or read under the append lock.
#[derive(Default)]
pub(super) struct Tail {
    run: Mutex<Run>,
}

#[derive(Default)]
struct Run {
    events: VecDeque<RecordedEvent>,
    bytes: usize,
    /// Where in the log each stream's events among them are, ascending.
    streams: HashMap<StreamId, VecDeque<u64>>,
}

impl Run {
    fn push(&mut self, event: RecordedEvent) {
        self.bytes += event.bytes();
        self.streams.entry(event.stream).or_default().push_back(event.position.get());
        self.events.push_back(event);
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.events.pop_front() else { return };
        self.bytes -= oldest.bytes();
        if let Entry::Occupied(mut positions) = self.streams.entry(oldest.stream) {
            positions.get_mut().pop_front();
            if positions.get().is_empty() {
                positions.remove();
            }
        }
    }

    fn at(&self, position: u64) -> Option<&RecordedEvent> {
        let first = self.events.front()?.position.get();
        self.events.get(usize::try_from(position.checked_sub(first)?).ok()?)
    }
}

impl Tail {
    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what is on disk, in order. Events in between that are not here begin a new run.
    pub(super) fn add(&self, events: Vec<RecordedEvent>) {
        let mut run = self.run();
        for event in events {
            let follows =
                run.events.back().is_none_or(|last| last.position.get() + 1 == event.position.get());
            if !follows {
                *run = Run::default();
            }
            run.push(event);
            while run.events.len() > EVENTS_MAX || run.bytes > BYTES_MAX {
                run.drop_oldest();
            }
        }
    }

    /// The position of the last event that is here; 0 for none.
    pub(super) fn end(&self) -> u64 {
        self.run().events.back().map_or(0, |last| last.position.get())
    }

    /// Events of a stream from a revision on, if the one before it is here, too: then none is missing.
    pub(super) fn of_stream(&self, stream: StreamId, from: Revision) -> Option<Vec<RecordedEvent>> {
        let run = self.run();
        let mut found = Vec::new();
        for position in run.streams.get(&stream)?.iter().rev() {
            let event = run.at(*position)?;
            if event.revision < from {
                found.reverse();
                return Some(found);
            }
            found.push(event.clone());
        }
        None
    }

    /// Forgets all, for when the server may be another.
    pub(super) fn clear(&self) {
        *self.run() = Run::default();
    }

    /// The next events after a position that pass, at most `limit`, and the position of the last that was looked at; `None`
    /// when the next event is not here.
    pub(super) fn after(
        &self,
        after: u64,
        limit: usize,
        filter: &ReadFilter,
    ) -> Option<(Vec<RecordedEvent>, u64)> {
        let run = self.run();
        let first = run.events.front()?.position.get();
        let skipped = usize::try_from((after + 1).checked_sub(first)?).ok()?;
        let mut scanned_to = None;
        let mut found = Vec::new();
        let mut bytes = 0;
        for event in run.events.iter().skip(skipped) {
            if found.len() == limit || bytes >= PAGE_BYTES {
                break;
            }
            scanned_to = Some(event.position.get());
            if filter.passes(event.stream.category, &event.event_type) {
                bytes += event.bytes();
                found.push(event.clone());
            }
        }
        Some((found, scanned_to?))
    }
}

/// The events of an append that was written.
pub(super) fn recorded(one: &Waiting, appended: &Appended) -> impl Iterator<Item = RecordedEvent> {
    let append = &one.append;
    let count = append.events.len() as u64;
    let first = (appended.position.get() + 1).saturating_sub(count);
    append.events.iter().zip(&one.hashes).zip(0..).map(move |((event, hash), n)| RecordedEvent {
        position: Position::new(first + n),
        stream: append.stream,
        revision: appended.first_revision.plus(n),
        event_id: event.event_id,
        event_type: event.event_type.to_owned(),
        version: event.version,
        command_id: append.command.id,
        origin: append.origin,
        payload: event.payload.clone(),
        key_ref: event.key_ref,
        sealed: event.sealed.clone(),
        hash: *hash,
    })
}
