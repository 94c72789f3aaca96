//! The commands that each stream saw last. The server recognises a repeated write only while nothing else is expected of the
//! stream, so whoever appends looks here first (G4).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use domain::{CommandId, Digest, Timestamp};
use moka::sync::Cache;
use tokio::sync::Mutex;

use super::metadata::Stored;
use crate::envelope::{Position, Revision, StreamId};
use crate::log::{Appended, StreamAppend};

/// Commands of one stream that are known at least, and time before its last event within which all are (G4).
pub(super) const COMMANDS_MIN: usize = 10_000;
const WINDOW_MICROS: i64 = 24 * 3_600 * 1_000_000;
/// Commands known of all streams together, about 150 bytes each.
const COMMANDS_MAX: u64 = 1_000_000;
/// Streams that nobody writes to are forgotten.
const IDLE: Duration = Duration::from_secs(1_800);

/// One command that is on record.
#[derive(Clone, Copy, Debug)]
struct Known {
    fingerprint: Digest,
    first: Revision,
    last: Revision,
    position: Position,
}

/// What is known of a stream. Whoever holds it is the only one of this process who appends to the stream.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Whether the commands below are all that the window holds, up to `last`.
    is_known: bool,
    /// Whether something may have been written of which nobody knows.
    is_doubtful: bool,
    last: Option<Revision>,
    commands: HashMap<CommandId, Known>,
    /// In the order of the stream.
    order: VecDeque<(CommandId, Timestamp)>,
}

impl Tail {
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    /// The last revision, as far as known.
    pub(super) fn last(&self) -> Option<Revision> {
        self.last
    }

    /// Whether the stream has to be looked at before anything is believed of it.
    pub(super) fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    /// Forgets everything, because nobody knows whether something was written.
    pub(super) fn forget(&mut self) {
        *self = Self { is_doubtful: true, ..Self::default() };
    }

    /// What a command did, if it is on record.
    pub(super) fn find(&self, stream: StreamId, id: CommandId) -> Option<(Appended, Digest)> {
        let known = self.commands.get(&id)?;
        let appended = Appended {
            stream,
            first_revision: known.first,
            last_revision: known.last,
            position: known.position,
            replayed: true,
        };
        Some((appended, known.fingerprint))
    }

    /// Whether a window that begins with `oldest` and holds that many commands is large enough.
    pub(super) fn is_enough(commands: usize, oldest: Timestamp, newest: Timestamp) -> bool {
        commands >= COMMANDS_MIN && newest.as_micros().saturating_sub(oldest.as_micros()) > WINDOW_MICROS
    }

    /// Takes in events that follow what is known, in order.
    pub(super) fn follow(&mut self, events: &[Stored]) {
        self.is_known = true;
        self.is_doubtful = false;
        for stored in events {
            let event = &stored.event;
            self.last = Some(event.revision);
            if let Some(fingerprint) = stored.fingerprint {
                let (first, last) = (event.revision, event.revision);
                let known = Known { fingerprint, first, last, position: event.position };
                self.note(event.command_id, known, event.origin.recorded_at);
            } else if let Some(known) = self.commands.get_mut(&event.command_id) {
                known.last = event.revision;
                known.position = event.position;
            }
        }
        self.trim();
    }

    /// Takes in what was just written.
    pub(super) fn wrote(&mut self, append: &StreamAppend, appended: &Appended) {
        self.is_known = true;
        self.last = Some(appended.last_revision);
        let known = Known {
            fingerprint: append.command.fingerprint,
            first: appended.first_revision,
            last: appended.last_revision,
            position: appended.position,
        };
        self.note(append.command.id, known, append.origin.recorded_at);
        self.trim();
    }

    fn note(&mut self, id: CommandId, known: Known, at: Timestamp) {
        if self.commands.insert(id, known).is_none() {
            self.order.push_back((id, at));
        }
    }

    fn trim(&mut self) {
        while let (Some((_, oldest)), Some((_, newest))) = (self.order.front(), self.order.back())
            && Self::is_enough(self.order.len() - 1, *oldest, *newest)
        {
            if let Some((id, _)) = self.order.pop_front() {
                self.commands.remove(&id);
            }
        }
    }
}

/// A stream's tail with what it weighs.
pub(super) struct Cell {
    pub(super) tail: Mutex<Tail>,
    weight: AtomicU32,
}

/// The tails of the streams that this process appends to.
pub(super) struct Recent {
    cells: Cache<StreamId, Arc<Cell>>,
}

impl Recent {
    pub(super) fn new() -> Self {
        let cells = Cache::builder()
            .max_capacity(COMMANDS_MAX)
            .weigher(|_, cell: &Arc<Cell>| cell.weight.load(Ordering::Relaxed))
            .time_to_idle(IDLE)
            .build();
        Self { cells }
    }

    /// The stream's cell.
    pub(super) fn of(&self, stream: StreamId) -> Arc<Cell> {
        let empty = || Arc::new(Cell { tail: Mutex::default(), weight: AtomicU32::new(1) });
        self.cells.get_with(stream, empty)
    }

    /// Tells the cache when a cell has doubled.
    pub(super) fn weigh(&self, stream: StreamId, cell: &Arc<Cell>, tail: &Tail) {
        let weight = u32::try_from(tail.order.len()).unwrap_or(u32::MAX).max(1);
        if weight >= cell.weight.load(Ordering::Relaxed).saturating_mul(2) {
            cell.weight.store(weight, Ordering::Relaxed);
            self.cells.insert(stream, Arc::clone(cell));
        }
    }
}
