//! Pages of the log, told to readers: short spells under the lock.

use super::{Life, Log, Record, State};
use crate::event::Told;
use crate::filter::{Filter, Subject};

/// Events told in one page.
const PAGE_EVENTS: usize = 512;

/// Bytes told in one page; the event that passes them is the page's last.
const PAGE_BYTES: usize = 512 * 1024;

/// Records looked at in one page, so that a filter that lets nothing pass does not hold the lock.
const PAGE_CONSIDERED: u64 = 4096;

/// A page of `$all`.
pub(crate) struct Page {
    pub(crate) told: Vec<Told>,
    /// Where the next page goes on: the index of the next record forwards, one behind it backwards.
    pub(crate) next: usize,
    /// The position of the last record looked at.
    pub(crate) last: Option<u64>,
    pub(crate) considered: u64,
    /// Records that lie further on for now.
    pub(crate) left: usize,
}

impl Page {
    pub(crate) fn is_end(&self) -> bool {
        self.left == 0
    }
}

/// A page of a stream.
pub(crate) enum StreamPage {
    Missing,
    Tombstoned,
    Found {
        told: Vec<Told>,
        /// Where the next page goes on; `None` at the end.
        next: Option<u64>,
        /// The first revision that can be read.
        first: u64,
        last: u64,
    },
}

/// How much of a page is left.
struct Room {
    events: usize,
    bytes: usize,
    considered: u64,
}

impl Room {
    fn new(limit: u64) -> Self {
        let events = usize::try_from(limit).map_or(PAGE_EVENTS, |limit| limit.min(PAGE_EVENTS));
        Self { events, bytes: PAGE_BYTES, considered: PAGE_CONSIDERED }
    }

    fn is_left(&self) -> bool {
        self.events > 0 && self.bytes > 0 && self.considered > 0
    }

    fn take(&mut self, told: &Told) {
        self.events -= 1;
        self.bytes = self.bytes.saturating_sub(told.len());
    }
}

impl Log {
    /// The index of the first record at this position or behind it.
    pub(crate) fn index_at(&self, position: u64) -> usize {
        self.lock().records.partition_point(|record| record.position < position)
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().records.len()
    }

    /// Reads `$all` from a record on; looks at `considered_max` records at most.
    pub(crate) fn all_forwards(
        &self,
        from: usize,
        limit: u64,
        considered_max: u64,
        filter: Option<&mut Filter>,
        structured_ids: bool,
    ) -> Page {
        let state = self.lock();
        let mut room = Room::new(limit);
        room.considered = room.considered.min(considered_max);
        let records = state.records.get(from..).unwrap_or_default();
        let mut page = state.page(records.iter(), room, filter, structured_ids);
        page.next = from + page.considered as usize;
        page.left = state.records.len().saturating_sub(page.next);
        page
    }

    /// Reads `$all` back from before a record.
    pub(crate) fn all_backwards(
        &self,
        before: usize,
        limit: u64,
        filter: Option<&mut Filter>,
        structured_ids: bool,
    ) -> Page {
        let state = self.lock();
        let before = before.min(state.records.len());
        let records = state.records.get(..before).unwrap_or_default();
        let mut page = state.page(records.iter().rev(), Room::new(limit), filter, structured_ids);
        page.next = before - page.considered as usize;
        page.left = page.next;
        page
    }

    /// Reads a stream from a revision on.
    pub(crate) fn stream_forwards(
        &self,
        stream: &str,
        from: u64,
        limit: u64,
        structured_ids: bool,
    ) -> StreamPage {
        self.stream_page(stream, structured_ids, limit, |first, last| from.max(first)..=last)
    }

    /// Reads a stream from a revision back; the last one is where it starts when it has fewer.
    pub(crate) fn stream_backwards(
        &self,
        stream: &str,
        from: u64,
        limit: u64,
        structured_ids: bool,
    ) -> StreamPage {
        self.stream_page(stream, structured_ids, limit, |first, last| (first..=from.min(last)).rev())
    }

    fn stream_page<Revisions: Iterator<Item = u64>>(
        &self,
        stream: &str,
        structured_ids: bool,
        limit: u64,
        revisions: impl FnOnce(u64, u64) -> Revisions,
    ) -> StreamPage {
        let state = self.lock();
        let Some(found) = state.find(stream) else { return StreamPage::Missing };
        let last = match (found.life, found.last_revision()) {
            (Life::Tombstoned, _) => return StreamPage::Tombstoned,
            (Life::SoftDeleted, _) | (Life::Open, None) => return StreamPage::Missing,
            (Life::Open, Some(last)) => last,
        };
        let first = found.truncate_before;
        let mut room = Room::new(limit);
        let mut told = Vec::new();
        let mut next = None;
        for revision in revisions(first, last) {
            if !room.is_left() {
                next = Some(revision);
                break;
            }
            let index = usize::try_from(revision).ok().and_then(|revision| found.records.get(revision));
            if let Some(record) = index.and_then(|index| state.records.get(*index as usize)) {
                let event = Told::new(record, structured_ids);
                room.take(&event);
                told.push(event);
            }
        }
        StreamPage::Found { told, next, first, last }
    }
}

impl State {
    fn page<'a>(
        &self,
        records: impl Iterator<Item = &'a Record>,
        mut room: Room,
        mut filter: Option<&mut Filter>,
        structured_ids: bool,
    ) -> Page {
        let mut page = Page { told: Vec::new(), next: 0, last: None, considered: 0, left: 0 };
        for record in records {
            if !room.is_left() {
                break;
            }
            room.considered -= 1;
            page.considered += 1;
            page.last = Some(record.position);
            if filter.as_deref_mut().is_none_or(|filter| self.passes(record, filter)) {
                let event = Told::new(record, structured_ids);
                room.take(&event);
                page.told.push(event);
            }
        }
        page
    }

    fn passes(&self, record: &Record, filter: &mut Filter) -> bool {
        match filter.subject() {
            Subject::Stream => {
                let name = self.streams.get(record.stream as usize).map_or("", |stream| &stream.name);
                filter.passes(record.stream, name)
            }
            Subject::EventType => {
                let name = self.types.get(record.event_type as usize).map_or("", |name| name);
                filter.passes(record.event_type, name)
            }
        }
    }
}
