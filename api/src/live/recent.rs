//! The last events of the feed, so that a socket joins it without reading the log for what came in meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;

use eventstore_schema::Position;

use super::event::LiveEvent;
use crate::limits::LIVE_RECENT_BYTES_MAX;

/// Every event behind `since`, up to the last one routed.
pub struct Recent {
    since: Option<Position>,
    last: Option<Position>,
    events: VecDeque<Arc<LiveEvent>>,
    bytes: usize,
    events_max: usize,
}

impl Recent {
    /// Begins behind `since`; keeps at most `events_max`.
    pub fn new(since: Option<Position>, events_max: usize) -> Self {
        Self { since, last: since, events: VecDeque::new(), bytes: 0, events_max }
    }

    /// Position of the last event.
    pub fn last(&self) -> Option<Position> {
        self.last
    }

    /// Takes in the next event.
    pub fn push(&mut self, event: Arc<LiveEvent>) {
        self.last = Some(event.position());
        self.bytes = self.bytes.saturating_add(event.size());
        self.events.push_back(event);
        while self.events.len() > self.events_max || self.bytes > LIVE_RECENT_BYTES_MAX {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.size());
            self.since = Some(oldest.position());
        }
    }

    /// Everything behind `position`, if all of it is here and no more than `limit` events.
    pub fn after(&self, position: Option<Position>, limit: usize) -> Option<Vec<Arc<LiveEvent>>> {
        let start = self.start(position)?;
        if self.events.len() - start > limit {
            return None;
        }
        Some(self.events.range(start..).cloned().collect())
    }

    /// The first `limit` events behind `position`, if none of them is missing here.
    pub fn page(&self, position: Option<Position>, limit: usize) -> Option<Vec<Arc<LiveEvent>>> {
        Some(self.events.range(self.start(position)?..).take(limit).cloned().collect())
    }

    /// Where the events behind `position` begin, if all of them are here.
    fn start(&self, position: Option<Position>) -> Option<usize> {
        let is_here = position >= self.since;
        is_here.then(|| self.events.partition_point(|event| Some(event.position()) <= position))
    }
}
