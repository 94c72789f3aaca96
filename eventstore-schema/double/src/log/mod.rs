//! The one log: records at byte offsets, streams over them, and what is remembered of the last writes.
//!
//! Held in memory behind one lock; a watch tells readers that wait how many records there are.

mod append;
mod read;
mod system;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;
use uuid::Uuid;

pub(crate) use append::{Appended, Deletion, Expected, Proposed, Refusal};
pub(crate) use read::{Page, StreamPage};

/// What a record takes in the log beside its names and bytes: framing, flags, time, ids.
const RECORD_HEADER_BYTES: u64 = 76;

/// The revision of a tombstone, as the real server numbers it.
const TOMBSTONE_REVISION: u64 = i64::MAX as u64;

/// A log that several nodes may share.
pub(crate) struct Log {
    state: Mutex<State>,
    length: watch::Sender<usize>,
}

struct State {
    records: Vec<Record>,
    /// The position of the record that comes next.
    end: u64,
    streams: Vec<Stream>,
    stream_ids: HashMap<Arc<str>, u32>,
    types: Vec<Arc<str>>,
    type_ids: HashMap<Arc<str>, u32>,
    recent: Recent,
    stats: Stats,
}

/// One event where it lies.
pub(crate) struct Record {
    pub(crate) position: u64,
    pub(crate) stream: u32,
    pub(crate) event_type: u32,
    pub(crate) revision: u64,
    pub(crate) id: Uuid,
    /// The encoded `RecordedEvent` but for its id, revision and position.
    pub(crate) body: Bytes,
}

struct Stream {
    name: Arc<str>,
    /// Indices into the records, by revision.
    records: Vec<u32>,
    /// Revisions below are not read any more.
    truncate_before: u64,
    life: Life,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    SoftDeleted,
    Tombstoned,
}

/// The ids of the last events written, as many as the server keeps: what an append without an exact expectation is
/// compared with.
struct Recent {
    by_id: HashMap<Uuid, u32>,
    order: VecDeque<Uuid>,
    capacity: usize,
}

/// The server's own statistics, written between the others' events.
#[derive(Default)]
struct Stats {
    every: Option<u64>,
    since: u64,
}

impl Log {
    /// An empty log that remembers the last `recent` event ids.
    pub(crate) fn new(recent: usize) -> Self {
        Self {
            state: Mutex::new(State {
                records: Vec::new(),
                end: 0,
                streams: Vec::new(),
                stream_ids: HashMap::new(),
                types: Vec::new(),
                type_ids: HashMap::new(),
                recent: Recent { by_id: HashMap::new(), order: VecDeque::new(), capacity: recent },
                stats: Stats::default(),
            }),
            length: watch::Sender::new(0),
        }
    }

    /// Tells when records were added.
    pub(crate) fn watch(&self) -> watch::Receiver<usize> {
        self.length.subscribe()
    }

    /// The last revision of a stream, deleted or not.
    pub(crate) fn last_revision(&self, stream: &str) -> Option<u64> {
        let state = self.lock();
        state.find(stream).and_then(Stream::last_revision)
    }

    /// The position of the last record.
    pub(crate) fn last_position(&self) -> Option<u64> {
        self.lock().records.last().map(|record| record.position)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock cannot leave half a record: one is pushed whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self, length: usize) {
        self.length.send_if_modified(|known| {
            let grown = length > *known;
            *known = (*known).max(length);
            grown
        });
    }
}

impl State {
    fn find(&self, stream: &str) -> Option<&Stream> {
        let id = *self.stream_ids.get(stream)?;
        self.streams.get(id as usize)
    }

    fn stream_id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.stream_ids.get(name) {
            return *id;
        }
        let id = self.streams.len() as u32;
        let name: Arc<str> = name.into();
        self.stream_ids.insert(Arc::clone(&name), id);
        self.streams.push(Stream { name, records: Vec::new(), truncate_before: 0, life: Life::Open });
        id
    }

    fn type_id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.type_ids.get(name) {
            return *id;
        }
        let id = self.types.len() as u32;
        let name: Arc<str> = name.into();
        self.type_ids.insert(Arc::clone(&name), id);
        self.types.push(name);
        id
    }
}

impl Stream {
    fn last_revision(&self) -> Option<u64> {
        (self.records.len() as u64).checked_sub(1)
    }
}

impl Recent {
    fn remember(&mut self, id: Uuid, record: u32) {
        if self.by_id.insert(id, record).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > self.capacity {
            if let Some(oldest) = self.order.pop_front() {
                self.by_id.remove(&oldest);
            }
        }
    }
}
