//! Passing a batch: events of one account or organization one after the other, others at once.

use std::collections::{HashSet, VecDeque};

use eventstore_schema::{RecordedEvent, StreamId};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::answer::Item;
use super::follow::DECISIONS;
use super::parked::Cause;
use super::runner::Runner;
use super::{Lead, ReactionError, parked};
use crate::limits::REACTION_EVENTS_AT_ONCE;

/// What became of an event.
pub(super) enum Passed {
    /// It is answered, or what was decided is done.
    Answered,
    /// It is set aside, and whatever of its key comes behind it.
    Parked(StreamId),
    /// Neither before the end.
    Not,
}

/// The events of a batch that are not passed yet.
struct Waiting<'a> {
    items: VecDeque<(usize, &'a Item)>,
    /// Under what something is being answered.
    busy: HashSet<StreamId>,
}

impl<'a> Waiting<'a> {
    /// The first event that nothing before it holds up: nothing of its account, organization or stream is under way or waits.
    /// A decision about what is set aside waits for everything before it, and everything behind it waits for it.
    fn next(&mut self) -> Option<(usize, &'a Item)> {
        let mut before = self.busy.clone();
        let mut found = None;
        for (at, (_, item)) in self.items.iter().enumerate() {
            if item.is_decision() {
                found = (at == 0 && self.busy.is_empty()).then_some(at);
                break;
            }
            if item.keys().iter().all(|key| !before.contains(key)) {
                found = Some(at);
                break;
            }
            before.extend(item.keys());
        }
        let (index, item) = self.items.remove(found?)?;
        self.busy.extend(item.keys());
        Some((index, item))
    }

    fn over(&mut self, item: &Item) {
        for key in item.keys() {
            self.busy.remove(&key);
        }
    }
}

impl Item {
    /// Whatever has one of these in common is answered in the order of the log.
    pub(super) fn keys(&self) -> [StreamId; 2] {
        [self.key, self.recorded.stream]
    }

    fn is_decision(&self) -> bool {
        DECISIONS.contains(&self.recorded.event_type.as_str())
    }
}

impl Runner {
    /// Passes a batch, and gives its last event before which all were passed: not the last one when stopped or without lead.
    pub(super) async fn pass_all(
        &self,
        lead: &Lead,
        batch: Vec<RecordedEvent>,
    ) -> Result<Option<RecordedEvent>, ReactionError> {
        let is_own = |event: &RecordedEvent| {
            let own = self.reaction.event_types().contains(&event.event_type.as_str());
            own || DECISIONS.contains(&event.event_type.as_str())
        };
        let last = batch.last().cloned();
        let items: Vec<Item> = batch.into_iter().filter(is_own).map(Item::of).collect();
        let keys: HashSet<StreamId> = items.iter().flat_map(Item::keys).collect();
        let mut held_back = match keys.is_empty() {
            true => HashSet::new(),
            false => parked::held_back(lead, self.reaction.name(), &keys).await?,
        };
        let mut waiting = Waiting { items: items.iter().enumerate().collect(), busy: HashSet::new() };
        let (mut under_way, mut passed) = (FuturesUnordered::new(), vec![false; items.len()]);
        loop {
            while under_way.len() < REACTION_EVENTS_AT_ONCE && !self.is_stopped() {
                let Some((index, item)) = waiting.next() else { break };
                // One that could not be read stands under its stream: what is behind it there waits, whomever it is about.
                let behind = item.keys().into_iter().find(|key| held_back.contains(key));
                under_way.push(async move { (index, item, self.pass(lead, item, behind).await) });
            }
            let Some((index, item, became)) = under_way.next().await else { break };
            waiting.over(item);
            match became? {
                Passed::Answered => {}
                Passed::Parked(key) => {
                    held_back.insert(key);
                }
                Passed::Not => continue,
            }
            if let Some(passed) = passed.get_mut(index) {
                *passed = true;
            }
        }
        drop(under_way);
        self.close_gaps(lead, &items, &mut passed, &mut held_back).await?;
        match passed.iter().position(|passed| !passed) {
            None => Ok(last),
            Some(first) => Ok(items.into_iter().take(first).last().map(|item| item.recorded)),
        }
    }

    /// Sets aside what was not passed before the end while something behind it was: else that would be answered again, and people
    /// mailed twice.
    async fn close_gaps(
        &self,
        lead: &Lead,
        items: &[Item],
        passed: &mut [bool],
        held_back: &mut HashSet<StreamId>,
    ) -> Result<(), ReactionError> {
        let answered = passed.iter().rposition(|passed| *passed).unwrap_or_default();
        for (item, passed) in items.iter().zip(passed).take(answered).filter(|(_, passed)| !**passed) {
            if !lead.holds() {
                return Ok(());
            }
            let behind = item.keys().into_iter().find(|key| held_back.contains(key));
            let reason = "the process ended before it was answered";
            let cause = behind.map_or(Cause::Tried { attempts: 1, reason }, |_| Cause::Behind);
            let key = behind.unwrap_or(item.key);
            self.park(lead, item, key, cause).await?;
            held_back.insert(key);
            *passed = true;
        }
        Ok(())
    }
}
