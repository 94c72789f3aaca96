//! The streams whose state is held in memory: bounded in number and bytes, the least used go first (second chance).

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use domain::Aggregate;
use eventstore_schema::StreamId;

use super::cell::Cell;
use crate::limits::{CELLS_BYTES_MAX, CELLS_MAX};

/// Slots looked at for one eviction, so that no look-up takes long; what is left over goes with the next ones.
const EVICTION_STEPS_MAX: usize = 64;

type AnyCell = Arc<dyn Any + Send + Sync>;

struct Slot {
    cell: AnyCell,
    used: bool,
    bytes: usize,
}

/// Cells by stream.
pub(super) struct Cells {
    slots: HashMap<StreamId, Slot>,
    /// The order in which slots are considered for eviction.
    hand: VecDeque<StreamId>,
    bytes: usize,
    cells_max: usize,
    bytes_max: usize,
}

impl Default for Cells {
    fn default() -> Self {
        Self::bounded(CELLS_MAX, CELLS_BYTES_MAX)
    }
}

impl Cells {
    /// Holds at most so many cells and bytes, but for those in use.
    pub(super) fn bounded(cells_max: usize, bytes_max: usize) -> Self {
        Self { slots: HashMap::new(), hand: VecDeque::new(), bytes: 0, cells_max, bytes_max }
    }

    /// The stream's cell, new if there is none. Evicted cells come back, to be dropped outside the lock.
    pub(super) fn get<A: Aggregate>(&mut self, stream: StreamId) -> (Arc<Cell<A>>, Vec<AnyCell>) {
        if let Some(slot) = self.slots.get_mut(&stream) {
            slot.used = true;
            // A stream's category names its aggregate, so a slot never holds another type.
            if let Ok(cell) = Arc::clone(&slot.cell).downcast::<Cell<A>>() {
                return (cell, Vec::new());
            }
        }
        let cell = Arc::new(Cell::<A>::new(stream));
        let any: AnyCell = Arc::<Cell<A>>::clone(&cell);
        if self.slots.insert(stream, Slot { cell: any, used: true, bytes: 0 }).is_none() {
            self.hand.push_back(stream);
        }
        (cell, self.evict())
    }

    /// The stream's cell, if there is one.
    pub(super) fn find<A: Aggregate>(&mut self, stream: StreamId) -> Option<Arc<Cell<A>>> {
        let slot = self.slots.get_mut(&stream)?;
        slot.used = true;
        Arc::clone(&slot.cell).downcast::<Cell<A>>().ok()
    }

    /// Notes how large a stream's state is.
    pub(super) fn weigh(&mut self, stream: StreamId, bytes: usize) -> Vec<AnyCell> {
        if let Some(slot) = self.slots.get_mut(&stream) {
            self.bytes = self.bytes.saturating_sub(slot.bytes).saturating_add(bytes);
            slot.bytes = bytes;
        }
        self.evict()
    }

    /// How many cells and bytes are held.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.slots.len(), self.bytes)
    }

    /// A cell that anybody else holds (a caller about to enqueue, the task that executes) is never evicted.
    fn evict(&mut self) -> Vec<AnyCell> {
        let mut evicted = Vec::new();
        for _ in 0..EVICTION_STEPS_MAX {
            if self.slots.len() <= self.cells_max && self.bytes <= self.bytes_max {
                break;
            }
            let Some(stream) = self.hand.pop_front() else { break };
            match self.slots.get_mut(&stream) {
                Some(slot) if slot.used || Arc::strong_count(&slot.cell) > 1 => {
                    slot.used = false;
                    self.hand.push_back(stream);
                }
                Some(_) => {
                    if let Some(slot) = self.slots.remove(&stream) {
                        self.bytes = self.bytes.saturating_sub(slot.bytes);
                        evicted.push(slot.cell);
                    }
                }
                None => {}
            }
        }
        evicted
    }
}
