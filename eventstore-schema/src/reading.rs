//! What readers ask of the log, and reading streams together where an engine knows no better way than one by one.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::Category;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::envelope::{Position, RecordedEvent, Revision, StreamId};
use crate::log::{EventLog, LogError, StreamAppend};

/// Which events a reader of the whole log wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadFilter {
    /// Categories of streams; empty for all.
    pub categories: Vec<Category>,
    /// Names of events; empty for all. Both have to pass: who follows a few rare events never reads the others.
    pub event_types: Vec<&'static str>,
}

impl ReadFilter {
    /// Everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// Whether an event of this category and name passes.
    pub fn passes(&self, category: Category, event_type: &str) -> bool {
        let category = self.categories.is_empty() || self.categories.contains(&category);
        category && (self.event_types.is_empty() || self.event_types.contains(&event_type))
    }
}

/// How much of what there is comes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimits {
    /// Most events; one comes at least.
    pub events: usize,
    /// Most bytes of payloads and sealed parts together. The first event of a page comes however large it is.
    pub bytes: usize,
}

/// Bytes of payloads and sealed parts with which a page of a stream, or of the whole log, ends: the event that reaches them is its
/// last. With the largest event that can be appended no page has more than 8 MiB.
pub const PAGE_BYTES: usize = 8 * 1024 * 1024 - StreamAppend::BYTES_MAX;

// What one command recorded comes in one page.
const _: () = assert!(PAGE_BYTES >= StreamAppend::BYTES_MAX);

/// Whether there may be more behind a page of which `limit` events were asked for: it ended where its events or its bytes did.
pub fn may_go_on(page: &[RecordedEvent], limit: usize) -> bool {
    page.len() >= limit || page.iter().map(RecordedEvent::bytes).sum::<usize>() >= PAGE_BYTES
}

/// As many of the events as a page has.
pub(crate) fn page<E: Borrow<RecordedEvent>>(events: impl IntoIterator<Item = E>, limit: usize) -> Vec<E> {
    let mut before = 0;
    let fits = |event: &E| {
        let fits = before < PAGE_BYTES;
        before += event.borrow().bytes();
        fits
    };
    events.into_iter().take(limit).take_while(fits).collect()
}

/// Events of some streams, read together.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamsPage {
    /// In the order of their positions.
    pub events: Vec<RecordedEvent>,
    /// Everything in the streams behind where the reader began and up to here is among the events. Where no limit was met it
    /// is where the reader wanted to end, else the position of the last event.
    pub reached: Position,
    /// The streams to ask for what is behind `reached`: none of the others has anything there. Empty when there is no more.
    pub rest: Vec<StreamId>,
}

/// Streams that are read at once.
const STREAMS_AT_ONCE: usize = 16;
/// Events of one stream that are read at a time.
const CHUNK_EVENTS: u64 = 64;

/// The first events of many streams, whichever order they come in.
pub(crate) struct Gathered {
    limits: PageLimits,
    kept: BTreeMap<Position, RecordedEvent>,
    bytes: usize,
    /// The first that had no room: nothing behind it is kept.
    left_out: Option<Position>,
    rest: BTreeSet<StreamId>,
}

impl Gathered {
    pub(crate) fn new(limits: PageLimits) -> Self {
        Self { limits, kept: BTreeMap::new(), bytes: 0, left_out: None, rest: BTreeSet::new() }
    }

    /// Takes an event in; `false` when neither it nor anything behind it in its stream has room.
    pub(crate) fn take(&mut self, event: RecordedEvent) -> bool {
        let (position, stream) = (event.position, event.stream);
        if self.left_out.is_some_and(|left_out| position > left_out) {
            self.rest.insert(stream);
            return false;
        }
        self.bytes += event.bytes();
        self.kept.insert(position, event);
        while self.kept.len() > 1 && (self.kept.len() > self.limits.events || self.bytes > self.limits.bytes)
        {
            let Some((last, event)) = self.kept.pop_last() else { break };
            self.bytes -= event.bytes();
            self.left_out = Some(last);
            self.rest.insert(event.stream);
        }
        self.left_out != Some(position)
    }

    /// The page, when every stream had its turn.
    pub(crate) fn page(self, until: Position) -> StreamsPage {
        let last = self.kept.keys().next_back().copied();
        let reached = last.filter(|_| self.left_out.is_some()).unwrap_or(until);
        StreamsPage {
            events: self.kept.into_values().collect(),
            reached,
            rest: self.rest.into_iter().collect(),
        }
    }
}

/// Reads streams one by one, some at once: no more of each than there is room for.
///
/// # Errors
/// As [`EventLog::read_stream`].
pub(crate) async fn by_stream<L: EventLog + ?Sized>(
    log: &L,
    streams: &[StreamId],
    after: Option<Position>,
    until: Position,
    limits: PageLimits,
) -> Result<StreamsPage, LogError> {
    let gathered = Mutex::new(Gathered::new(limits));
    let streams: BTreeSet<StreamId> = streams.iter().copied().collect();
    let reads = streams.into_iter().map(|stream| gather(log, stream, after, until, &gathered));
    stream::iter(reads).buffer_unordered(STREAMS_AT_ONCE).try_collect::<()>().await?;
    Ok(gathered.into_inner().unwrap_or_else(PoisonError::into_inner).page(until))
}

fn locked(gathered: &Mutex<Gathered>) -> MutexGuard<'_, Gathered> {
    gathered.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn gather<L: EventLog + ?Sized>(
    log: &L,
    stream: StreamId,
    after: Option<Position>,
    until: Position,
    gathered: &Mutex<Gathered>,
) -> Result<(), LogError> {
    let Some(mut next) = near_first_behind(log, stream, after).await? else { return Ok(()) };
    loop {
        let chunk = log.read_stream(stream, next, CHUNK_EVENTS as usize).await?;
        let is_last = !may_go_on(&chunk, CHUNK_EVENTS as usize);
        for event in chunk {
            next = event.revision.plus(1);
            if Some(event.position) <= after {
                continue;
            }
            if event.position > until || !locked(gathered).take(event) {
                return Ok(());
            }
        }
        if is_last {
            return Ok(());
        }
    }
}

/// A revision with the first event behind a position at or a few events after it; `None` when the stream has none there. In a
/// stream positions rise with revisions: looks back from the end in growing steps, then halves what is left.
async fn near_first_behind<L: EventLog + ?Sized>(
    log: &L,
    stream: StreamId,
    after: Option<Position>,
) -> Result<Option<Revision>, LogError> {
    let last = log.last_of_stream(stream).await?.filter(|last| Some(last.position) > after);
    let Some(last) = last else { return Ok(None) };
    // Nothing before `low` is behind the position; `high` is.
    let (mut low, mut high, mut step) = (0, last.revision.get(), CHUNK_EVENTS);
    while after.is_some() && high - low >= CHUNK_EVENTS {
        let middle = (low + (high - low) / 2).max(high.saturating_sub(step));
        let found = log.read_stream(stream, Revision::new(middle), 1).await?;
        if found.first().is_some_and(|event| Some(event.position) > after) {
            high = middle;
            step = step.saturating_mul(2);
        } else {
            low = middle + 1;
            step = u64::MAX;
        }
    }
    Ok(Some(Revision::new(low)))
}
