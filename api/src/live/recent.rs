//! The last events of the feed, so that a socket joins it without reading the log for what came in meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;

use eventstore_schema::{PageLimits, Position};

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

    /// Everything behind `position`, if all of it is here and within the limits.
    pub fn after(&self, position: Option<Position>, limits: PageLimits) -> Option<Vec<Arc<LiveEvent>>> {
        let start = self.start(position)?;
        let page = self.from(start, limits);
        (page.len() == self.events.len() - start).then_some(page)
    }

    /// The first events behind `position` within the limits, one at least, if none of them is missing here.
    pub fn page(&self, position: Option<Position>, limits: PageLimits) -> Option<Vec<Arc<LiveEvent>>> {
        Some(self.from(self.start(position)?, limits))
    }

    fn from(&self, start: usize, limits: PageLimits) -> Vec<Arc<LiveEvent>> {
        let mut bytes = 0_usize;
        let fits = |(nth, event): &(usize, &Arc<LiveEvent>)| {
            bytes = bytes.saturating_add(event.size());
            *nth == 0 || bytes <= limits.bytes
        };
        let events = self.events.range(start..).take(limits.events).enumerate().take_while(fits);
        events.map(|(_, event)| Arc::clone(event)).collect()
    }

    /// Where the events behind `position` begin, if all of them are here.
    fn start(&self, position: Option<Position>) -> Option<usize> {
        let is_here = position >= self.since;
        is_here.then(|| self.events.partition_point(|event| Some(event.position()) <= position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::tests::message;

    const ALL: PageLimits = PageLimits { events: 10, bytes: usize::MAX };

    fn recent() -> Recent {
        let mut recent = Recent::new(Some(Position::new(0)), 4);
        (1..=5).for_each(|position| recent.push(message(position, 1_000)));
        recent
    }

    fn positions(page: Option<Vec<Arc<LiveEvent>>>) -> Option<Vec<u64>> {
        page.map(|page| page.iter().map(|event| event.position().get()).collect())
    }

    #[test]
    fn what_is_not_here_any_more_is_not_given() {
        assert_eq!(positions(recent().after(Some(Position::new(0)), ALL)), None);
        assert_eq!(positions(recent().after(Some(Position::new(1)), ALL)), Some(vec![2, 3, 4, 5]));
        assert_eq!(positions(recent().page(Some(Position::new(5)), ALL)), Some(vec![]));
    }

    #[test]
    fn pages_are_bounded_in_events_and_bytes() {
        let (recent, at, each) = (recent(), Some(Position::new(1)), message(1, 1_000).size());
        let two = PageLimits { events: 2, ..ALL };
        assert_eq!(positions(recent.page(at, two)), Some(vec![2, 3]));
        assert_eq!(positions(recent.after(at, two)), None);
        let bytes = |bytes| PageLimits { bytes, ..ALL };
        assert_eq!(positions(recent.page(at, bytes(3 * each))), Some(vec![2, 3, 4]));
        assert_eq!(positions(recent.after(at, bytes(3 * each))), None);
        assert_eq!(positions(recent.after(at, bytes(4 * each))), Some(vec![2, 3, 4, 5]));
        assert_eq!(positions(recent.page(at, bytes(1))), Some(vec![2]), "one at least, or nobody gets on");
        assert_eq!(positions(recent.after(Some(Position::new(4)), bytes(1))), Some(vec![5]));
    }
}
