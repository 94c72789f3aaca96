//! What waits for one socket: events, in order, too many or too large of which end it; signals, of which the newest are kept, and
//! which never end it. An idle socket's holds no memory but its own few bytes.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use domain::{AccountId, ConversationId};
use futures_util::task::AtomicWaker;

use super::close::Close;
use super::event::LiveEvent;

/// What an outbox holds at most.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Events.
    pub events: usize,
    /// Their bytes ([`LiveEvent::size`]); a single event may have more.
    pub bytes: usize,
    /// Signals.
    pub signals: usize,
}

/// What a signal is about: of two the newer one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct About {
    /// Where somebody types; none of presence.
    pub conversation_id: Option<ConversationId>,
    /// Whose it is.
    pub account_id: AccountId,
}

/// A socket's outbox. Filled by many, emptied by the task of its socket alone.
pub struct Outbox {
    capacity: Capacity,
    waiting: Mutex<Waiting>,
    socket: AtomicWaker,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Arc<LiveEvent>>,
    bytes: usize,
    signals: Signals,
    end: Option<Close>,
}

/// Frames by what they are about, and in which order they came.
#[derive(Default)]
struct Signals {
    order: VecDeque<About>,
    frames: HashMap<About, Arc<str>>,
}

impl Signals {
    fn put(&mut self, about: About, frame: Arc<str>, max: usize) {
        if self.frames.insert(about, frame).is_some() {
            return;
        }
        self.order.push_back(about);
        if self.order.len() > max
            && let Some(oldest) = self.order.pop_front()
        {
            self.frames.remove(&oldest);
        }
    }

    fn take(&mut self) -> Option<Arc<str>> {
        let frame = self.order.pop_front().and_then(|about| self.frames.remove(&about));
        if self.order.is_empty() {
            *self = Self::default();
        }
        frame
    }

    fn forget(&mut self, is_meant: impl Fn(&About) -> bool) {
        self.order.retain(|about| !is_meant(about));
        self.frames.retain(|about, _| !is_meant(about));
    }
}

impl Outbox {
    /// An empty one.
    pub fn new(capacity: Capacity) -> Self {
        Self { capacity, waiting: Mutex::default(), socket: AtomicWaker::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an event behind the others. Beyond the capacity the socket ends: its client resumes.
    pub fn put(&self, event: &Arc<LiveEvent>) {
        let mut waiting = self.lock();
        if waiting.end.is_some() {
            return;
        }
        let bytes = waiting.bytes.saturating_add(event.size());
        let is_full = waiting.events.len() >= self.capacity.events
            || (bytes > self.capacity.bytes && !waiting.events.is_empty());
        if is_full {
            waiting.end = Some(Close::SlowConsumer);
        } else {
            waiting.bytes = bytes;
            waiting.events.push_back(Arc::clone(event));
        }
        drop(waiting);
        self.socket.wake();
    }

    /// Puts a signal in the place of one about the same, or behind the others; beyond the capacity the oldest is lost.
    pub fn put_signal(&self, about: About, frame: &Arc<str>) {
        self.lock().signals.put(about, Arc::clone(frame), self.capacity.signals);
        self.socket.wake();
    }

    /// Loses the signals of a conversation, of one account or of all.
    pub fn forget_signals(&self, conversation_id: ConversationId, account_id: Option<AccountId>) {
        self.lock().signals.forget(|about| {
            about.conversation_id == Some(conversation_id)
                && account_id.is_none_or(|account_id| account_id == about.account_id)
        });
    }

    /// Ends the socket, if it has not ended.
    pub fn end(&self, close: Close) {
        self.lock().end.get_or_insert(close);
        self.socket.wake();
    }

    /// Why the socket has to end, if it has to.
    pub fn end_reason(&self) -> Option<Close> {
        self.lock().end
    }

    /// Whether no event waits.
    pub fn is_empty(&self) -> bool {
        self.lock().events.is_empty()
    }

    /// The next event, if one waits.
    pub fn try_event(&self) -> Option<Arc<LiveEvent>> {
        let mut waiting = self.lock();
        let event = waiting.events.pop_front()?;
        waiting.bytes = waiting.bytes.saturating_sub(event.size());
        if waiting.events.is_empty() {
            waiting.events = VecDeque::new();
        }
        Some(event)
    }

    /// Waits for the next event.
    pub async fn event(&self) -> Arc<LiveEvent> {
        self.wait_for(Self::try_event).await
    }

    /// Waits for the next signal.
    pub async fn signal(&self) -> Arc<str> {
        self.wait_for(|outbox| outbox.lock().signals.take()).await
    }

    /// Waits until the socket has to end; for what reason.
    pub async fn ended(&self) -> Close {
        self.wait_for(Self::end_reason).await
    }

    /// Waits for something to be there. What waits together is of one task, so that one waker does.
    async fn wait_for<T>(&self, mut take: impl FnMut(&Self) -> Option<T>) -> T {
        poll_fn(|context| {
            // In this order: what comes in between wakes.
            self.socket.register(context.waker());
            take(self).map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;
    use crate::live::tests::message;

    const CAPACITY: Capacity = Capacity { events: 3, bytes: 100_000, signals: 2 };

    fn about(conversation: u8, account: u8) -> About {
        About {
            conversation_id: Some(ConversationId::from_bytes([conversation; 16])),
            account_id: AccountId::from_bytes([account; 16]),
        }
    }

    fn signals(outbox: &Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.signal().now_or_never()).map(|frame| frame.to_string()).collect()
    }

    #[test]
    fn events_come_in_order_and_too_many_end_the_socket() {
        let outbox = Outbox::new(CAPACITY);
        (1..=3).for_each(|position| outbox.put(&message(position, 10)));
        assert_eq!(outbox.ended().now_or_never(), None);
        assert_eq!(outbox.event().now_or_never().unwrap().position().get(), 1);
        outbox.put(&message(4, 10));
        assert_eq!(outbox.ended().now_or_never(), None);
        outbox.put(&message(5, 10));
        assert_eq!(outbox.ended().now_or_never(), Some(Close::SlowConsumer));
        outbox.end(Close::GoingAway);
        assert_eq!(outbox.ended().now_or_never(), Some(Close::SlowConsumer), "the first reason stays");
    }

    #[test]
    fn too_large_events_end_the_socket_but_for_a_single_one() {
        let outbox = Outbox::new(CAPACITY);
        outbox.put(&message(1, 60_000));
        assert!(message(1, 60_000).size() > CAPACITY.bytes);
        assert_eq!(outbox.ended().now_or_never(), None);
        assert!(outbox.try_event().is_some() && outbox.is_empty());
        outbox.put(&message(2, 20_000));
        outbox.put(&message(3, 20_000));
        assert_eq!(outbox.ended().now_or_never(), Some(Close::SlowConsumer));
        assert!(outbox.lock().bytes <= CAPACITY.bytes);
    }

    #[test]
    fn of_signals_the_newest_about_each_are_kept_and_the_oldest_lost() {
        let outbox = Outbox::new(CAPACITY);
        for (about, frame) in [(about(1, 1), "a"), (about(1, 2), "b"), (about(1, 1), "c"), (about(2, 1), "d")]
        {
            outbox.put_signal(about, &frame.into());
        }
        assert_eq!(signals(&outbox), ["b", "d"]);
        assert_eq!(outbox.ended().now_or_never(), None);
        assert_eq!(outbox.lock().signals.frames.capacity(), 0, "an idle socket keeps no memory for them");
    }

    #[test]
    fn signals_of_a_conversation_are_forgotten() {
        let outbox = Outbox::new(Capacity { signals: 8, ..CAPACITY });
        let all = || {
            for (about, frame) in [(about(1, 1), "a"), (about(1, 2), "b"), (about(2, 1), "c")] {
                outbox.put_signal(about, &frame.into());
            }
        };
        all();
        outbox.forget_signals(ConversationId::from_bytes([1; 16]), None);
        assert_eq!(signals(&outbox), ["c"]);
        all();
        outbox.forget_signals(ConversationId::from_bytes([1; 16]), Some(AccountId::from_bytes([1; 16])));
        assert_eq!(signals(&outbox), ["b", "c"]);
    }

    #[tokio::test]
    async fn what_comes_wakes_who_waits() {
        let outbox = Arc::new(Outbox::new(CAPACITY));
        let filling = Arc::clone(&outbox);
        let filler = async move {
            tokio::task::yield_now().await;
            filling.put(&message(1, 10));
            tokio::task::yield_now().await;
            filling.put_signal(about(1, 1), &"a".into());
            tokio::task::yield_now().await;
            filling.end(Close::GoingAway);
        };
        let filler = tokio::spawn(filler);
        assert_eq!(outbox.event().await.position().get(), 1);
        assert_eq!(&*outbox.signal().await, "a");
        assert_eq!(outbox.ended().await, Close::GoingAway);
        filler.await.unwrap();
    }

    proptest! {
        /// Whatever comes and goes: as many frames as places in the order, no more than the capacity, the newest about each.
        #[test]
        fn signals_are_bounded_and_never_outdated(steps in prop::collection::vec((0_u8..3, 0_u8..3, any::<bool>()), 0..60)) {
            let outbox = Outbox::new(CAPACITY);
            let mut newest = HashMap::new();
            for (number, (conversation, account, takes)) in steps.into_iter().enumerate() {
                let about = about(conversation, account);
                outbox.put_signal(about, &number.to_string().into());
                newest.insert(about, number);
                let waiting = outbox.lock();
                prop_assert!(waiting.signals.order.len() <= CAPACITY.signals);
                prop_assert_eq!(waiting.signals.order.len(), waiting.signals.frames.len());
                for (about, frame) in &waiting.signals.frames {
                    prop_assert_eq!(&**frame, &newest[about].to_string());
                }
                drop(waiting);
                if takes {
                    outbox.signal().now_or_never();
                }
            }
        }
    }
}
