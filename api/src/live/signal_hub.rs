//! Hands signals (typing, presence) to the outboxes of those who may know. One task does it, with a picture of its own of who is
//! here and in which conversations: however many signals there are, no event waits for one.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use domain::{AccountId, ConversationId};
use tokio::sync::mpsc;

use super::outbox::{About, Outbox};
use super::signals::{Relay, Signal, SignalKind, Signals, Status};
use crate::limits::{LIVE_SIGNAL_LOOKS_MAX, LIVE_SIGNAL_RECIPIENTS_MAX};

/// What becomes of who is here, in the order of the log where events say it. All that is under way is taken in before the next
/// signal, so whoever has left a conversation is told nothing of it.
pub enum Update {
    /// A socket of an account joined; with the first, these are the account's conversations.
    Attached {
        /// Whose.
        account_id: AccountId,
        /// The socket.
        link: u64,
        /// Where its signals go.
        outbox: Arc<Outbox>,
        /// What its account sees.
        conversations: Vec<ConversationId>,
    },
    /// A socket is gone.
    Detached(AccountId, u64),
    /// The account sees the conversation from now on.
    Joined(ConversationId, AccountId),
    /// The account sees the conversation no more.
    Left(ConversationId, AccountId),
    /// An account tells how it is.
    Told(AccountId, Status),
}

/// An account with sockets here.
#[derive(Default)]
struct Peer {
    outboxes: Vec<(u64, Arc<Outbox>)>,
    conversations: HashSet<ConversationId>,
    status: Option<Status>,
}

/// Who is here.
pub struct SignalHub {
    relay: Arc<dyn Relay>,
    peers: HashMap<AccountId, Peer>,
    conversations: HashMap<ConversationId, HashSet<AccountId>>,
}

impl SignalHub {
    /// Nobody is here yet.
    pub fn new(relay: Arc<dyn Relay>) -> Self {
        Self { relay, peers: HashMap::new(), conversations: HashMap::new() }
    }

    /// Follows updates and signals until there are no more of either.
    pub async fn run(mut self, mut updates: mpsc::UnboundedReceiver<Update>, mut signals: Signals) {
        loop {
            tokio::select! {
                biased;
                update = updates.recv() => match update {
                    Some(update) => self.update(update),
                    None => return,
                },
                signal = signals.next() => match signal {
                    Some(signal) => self.signal(&signal),
                    None => return,
                },
            }
        }
    }

    fn update(&mut self, update: Update) {
        match update {
            Update::Attached { account_id, link, outbox, conversations } => {
                self.attach(account_id, link, outbox, conversations);
            }
            Update::Detached(account_id, link) => self.detach(account_id, link),
            Update::Joined(conversation, account) => {
                if let Some(peer) = self.peers.get_mut(&account) {
                    peer.conversations.insert(conversation);
                    self.conversations.entry(conversation).or_default().insert(account);
                }
            }
            Update::Left(conversation, account) => self.leave(conversation, account),
            Update::Told(account, status) => self.told(account, status),
        }
    }

    fn attach(
        &mut self,
        account_id: AccountId,
        link: u64,
        outbox: Arc<Outbox>,
        conversations: Vec<ConversationId>,
    ) {
        if let Entry::Vacant(entry) = self.peers.entry(account_id) {
            for conversation in &conversations {
                self.conversations.entry(*conversation).or_default().insert(account_id);
            }
            entry.insert(Peer { conversations: conversations.into_iter().collect(), ..Peer::default() });
        }
        for (other, status) in self.statuses(account_id) {
            let about = About { conversation_id: None, account_id: other };
            outbox.put_signal(about, &SignalKind::Presence { status }.frame(other, None));
        }
        if let Some(peer) = self.peers.get_mut(&account_id) {
            peer.outboxes.push((link, outbox));
        }
    }

    /// Takes a socket out; with the last one its account goes, and whoever was told how it is is told of that.
    fn detach(&mut self, account_id: AccountId, link: u64) {
        let Some(peer) = self.peers.get_mut(&account_id) else { return };
        peer.outboxes.retain(|(id, _)| *id != link);
        if !peer.outboxes.is_empty() {
            return;
        }
        let Some(gone) = self.peers.remove(&account_id) else { return };
        for conversation in &gone.conversations {
            self.forget(*conversation, account_id);
        }
        if gone.status.is_some() {
            self.publish(account_id, gone.conversations.into_iter().collect(), Status::Offline);
        }
    }

    /// What waits of a conversation goes with its member, and what waits for others of the member.
    fn leave(&mut self, conversation: ConversationId, account_id: AccountId) {
        let Some(peer) = self.peers.get_mut(&account_id) else { return };
        if peer.conversations.remove(&conversation) {
            peer.outboxes.iter().for_each(|(_, outbox)| outbox.forget_signals(conversation, None));
            self.forget(conversation, account_id);
            for other in self.conversations.get(&conversation).into_iter().flatten() {
                for (_, outbox) in self.peers.get(other).into_iter().flat_map(|peer| &peer.outboxes) {
                    outbox.forget_signals(conversation, Some(account_id));
                }
            }
        }
    }

    fn forget(&mut self, conversation: ConversationId, account_id: AccountId) {
        if let Entry::Occupied(mut members) = self.conversations.entry(conversation) {
            members.get_mut().remove(&account_id);
            if members.get().is_empty() {
                members.remove();
            }
        }
    }

    /// Tells others how an account is, if that is news.
    fn told(&mut self, account_id: AccountId, status: Status) {
        let Some(peer) = self.peers.get_mut(&account_id) else { return };
        if peer.status.replace(status) != Some(status) {
            let conversations = peer.conversations.iter().copied().collect();
            self.publish(account_id, conversations, status);
        }
    }

    fn publish(&self, account_id: AccountId, conversations: Vec<ConversationId>, status: Status) {
        self.relay.publish(Signal { account_id, conversations, kind: SignalKind::Presence { status } });
    }

    /// Statuses of those here who share a conversation with the account.
    fn statuses(&self, account_id: AccountId) -> Vec<(AccountId, Status)> {
        let conversations = self.peers.get(&account_id).into_iter().flat_map(|peer| &peer.conversations);
        let told = |(_, other): (_, AccountId)| Some((other, self.peers.get(&other)?.status?));
        self.others(account_id, conversations.copied()).filter_map(told).collect()
    }

    fn signal(&self, signal: &Signal) {
        let account_id = signal.account_id;
        // On the node of who sent it: who has left a conversation since is not heard there any more.
        let is_heard = |id: &ConversationId| {
            self.peers.get(&account_id).is_none_or(|peer| peer.conversations.contains(id))
        };
        let conversations = signal.conversations.iter().copied().filter(is_heard);
        let mut frame = None;
        for (conversation, other) in self.others(account_id, conversations) {
            let conversation_id = matches!(signal.kind, SignalKind::Typing { .. }).then_some(conversation);
            // Typing is of one conversation, and presence names none: all get the same frame.
            let frame = frame.get_or_insert_with(|| signal.kind.frame(account_id, conversation_id));
            let about = About { conversation_id, account_id };
            for (_, outbox) in self.peers.get(&other).into_iter().flat_map(|peer| &peer.outboxes) {
                outbox.put_signal(about, frame);
            }
        }
    }

    /// Other accounts here in these conversations, each once: first those in small ones, up to a limit. In many conversations of
    /// the same people most looks find nobody new, so they are limited, too.
    fn others(
        &self,
        account_id: AccountId,
        conversations: impl Iterator<Item = ConversationId>,
    ) -> impl Iterator<Item = (ConversationId, AccountId)> {
        let here = |id| self.conversations.get(&id).map(|members| (members, id));
        let mut conversations: Vec<_> = conversations.filter_map(here).collect();
        conversations.sort_unstable_by_key(|(members, _)| members.len());
        let looks = conversations
            .into_iter()
            .flat_map(|(members, id)| members.iter().map(move |member| (id, *member)))
            .take(LIVE_SIGNAL_LOOKS_MAX);
        let mut seen = HashSet::from([account_id]);
        looks.filter(move |(_, member)| seen.insert(*member)).take(LIVE_SIGNAL_RECIPIENTS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt;
    use tokio::sync::broadcast;

    use super::super::outbox::Capacity;
    use super::*;

    /// A relay that keeps what it is given.
    #[derive(Default)]
    struct Kept(Mutex<Vec<Signal>>);

    impl Relay for Kept {
        fn publish(&self, signal: Signal) {
            self.0.lock().unwrap().push(signal);
        }

        fn signals(&self) -> Signals {
            Signals::new(broadcast::channel(1).1)
        }
    }

    fn account(number: u32) -> AccountId {
        AccountId::from_bytes(std::array::from_fn(|at| if at < 4 { number.to_be_bytes()[at] } else { 1 }))
    }

    fn conversation(number: u32) -> ConversationId {
        ConversationId::from_bytes(std::array::from_fn(
            |at| if at < 4 { number.to_be_bytes()[at] } else { 2 },
        ))
    }

    struct Given {
        hub: SignalHub,
        relay: Arc<Kept>,
        links: u64,
    }

    impl Given {
        fn nobody() -> Self {
            let relay = Arc::new(Kept::default());
            Self { hub: SignalHub::new(Arc::clone(&relay) as _), relay, links: 0 }
        }

        fn attach(&mut self, number: u32, conversations: &[u32]) -> Arc<Outbox> {
            let outbox = Arc::new(Outbox::new(Capacity { events: 1, bytes: 1, signals: 2_000 }));
            self.links += 1;
            self.hub.update(Update::Attached {
                account_id: account(number),
                link: self.links,
                outbox: Arc::clone(&outbox),
                conversations: conversations.iter().copied().map(conversation).collect(),
            });
            outbox
        }

        fn types(&self, number: u32, place: u32) {
            let kind = SignalKind::Typing { active: true };
            let (account_id, conversations) = (account(number), vec![conversation(place)]);
            self.hub.signal(&Signal { account_id, conversations, kind });
        }

        /// Has the relay's signals arrive.
        fn relayed(&self) -> Vec<Signal> {
            let signals = std::mem::take(&mut *self.relay.0.lock().unwrap());
            signals.iter().for_each(|signal| self.hub.signal(signal));
            signals
        }
    }

    fn count(outbox: &Outbox) -> usize {
        std::iter::from_fn(|| outbox.signal().now_or_never()).count()
    }

    #[test]
    fn typing_goes_to_the_other_members_who_are_here() {
        let mut given = Given::nobody();
        let (ann, bob, eve) = (given.attach(1, &[1, 2]), given.attach(2, &[1]), given.attach(3, &[2]));
        given.types(1, 1);
        assert_eq!((count(&ann), count(&bob), count(&eve)), (0, 1, 0));
    }

    #[test]
    fn of_who_was_removed_nothing_is_heard_and_who_was_removed_hears_nothing() {
        let mut given = Given::nobody();
        let (ann, bob) = (given.attach(1, &[1]), given.attach(2, &[1]));
        given.types(1, 1);
        given.types(2, 1);
        // What waits is lost on both sides, and what was under way as well.
        given.hub.update(Update::Left(conversation(1), account(2)));
        given.types(1, 1);
        given.types(2, 1);
        assert_eq!((count(&ann), count(&bob)), (0, 0));
        given.hub.update(Update::Joined(conversation(1), account(2)));
        given.types(2, 1);
        assert_eq!(count(&ann), 1);
    }

    #[test]
    fn presence_is_told_once_when_it_changes_and_to_who_comes_later() {
        let mut given = Given::nobody();
        let (ann, bob) = (given.attach(1, &[1, 2]), given.attach(2, &[1, 2]));
        given.hub.update(Update::Told(account(1), Status::Away));
        given.hub.update(Update::Told(account(1), Status::Away));
        assert_eq!(given.relayed().len(), 1);
        assert_eq!((count(&ann), count(&bob)), (0, 1));
        let later = given.attach(3, &[2]);
        assert_eq!(count(&later), 1);
        let second = given.attach(1, &[]);
        given.hub.update(Update::Detached(account(1), 1));
        assert!(given.relayed().is_empty(), "it has another socket");
        given.hub.update(Update::Detached(account(1), given.links));
        let gone = given.relayed();
        assert!(matches!(
            gone.as_slice(),
            [Signal { kind: SignalKind::Presence { status: Status::Offline }, .. }]
        ));
        assert_eq!((count(&bob), count(&later), count(&second)), (1, 1, 0));
        given.hub.update(Update::Detached(account(2), 2));
        given.hub.update(Update::Detached(account(3), 3));
        assert!(given.hub.peers.is_empty() && given.hub.conversations.is_empty());
    }

    #[test]
    fn looks_are_limited_however_many_conversations_are_of_the_same_people() {
        let mut given = Given::nobody();
        let all: Vec<u32> = (1..=100).collect();
        let outboxes: Vec<_> = (1..=300).map(|number| given.attach(number, &all)).collect();
        let looks = given.hub.others(account(1), all.iter().copied().map(conversation));
        assert_eq!(looks.count(), 299);
        let friend = given.attach(1_000, &[1_000]);
        given.hub.update(Update::Joined(conversation(1_000), account(1)));
        let large = (1..=100).map(conversation).chain([conversation(1_000)]);
        let first = given.hub.others(account(1), large).next();
        assert_eq!(first, Some((conversation(1_000), account(1_000))), "small conversations come first");
        drop((outboxes, friend));
    }
}
