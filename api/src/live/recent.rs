//! The last events, in memory: what short reconnects resume from.

use std::collections::VecDeque;
use std::sync::Arc;

use eventstore_schema::Position;

use super::entry::Entry;
use crate::limits::{LIVE_RECENT_BYTES_MAX, LIVE_RECENT_EVENTS_MAX};

/// Every event with an audience behind `floor`, in order.
pub(super) struct Recent {
    floor: Option<Position>,
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
}

impl Recent {
    pub(super) fn new(floor: Option<Position>) -> Self {
        Self { floor, entries: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn push(&mut self, entry: Arc<Entry>) {
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > LIVE_RECENT_EVENTS_MAX || self.bytes > LIVE_RECENT_BYTES_MAX {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.bytes());
            self.floor = Some(oldest.position());
        }
    }

    /// Whether no event behind `after` was dropped.
    pub(super) fn covers(&self, after: Option<Position>) -> bool {
        self.floor <= after
    }

    /// The events behind `after`.
    pub(super) fn after(&self, after: Option<Position>) -> impl Iterator<Item = &Arc<Entry>> {
        let start = self.entries.partition_point(|entry| Some(entry.position()) <= after);
        self.entries.range(start..)
    }
}
