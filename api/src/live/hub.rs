//! The hub: one a process. It follows the feed, keeps the memberships of connected accounts and hands each event to the
//! queues of those who see it. It opens nothing, writes nothing and waits for nobody.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use commands::clock::Clock;
use domain::{AccountId, ConversationId, DeviceId, Rejection};
use eventstore_schema::Position;
use projections::{FeedSubscription, Item};
use prometheus::Histogram;
use tokio::sync::{mpsc, oneshot, watch};

use super::Bounds;
use super::audience::{Audience, Change, Ends, Proved};
use super::close::Close;
use super::event::LiveEvent;
use super::memberships::Memberships;
use super::recent::Recent;
use super::sight::{Look, Sight};
use super::signals::{Relay, Signal, SignalKind, Status};
use super::workspaces::Workspaces;
use crate::limits::{LIVE_RETRY, LIVE_SIGNAL_RECIPIENTS_MAX};

/// What waits in a socket's queue.
#[derive(Clone)]
pub enum Delivery {
    /// An event that its account sees.
    Event(Arc<LiveEvent>),
    /// A frame with a signal, written already.
    Signal(Arc<str>),
}

/// How far the hub is behind those who write.
pub struct Delay {
    /// Tells the time.
    pub clock: Clock,
    /// Where it is kept.
    pub seconds: Histogram,
}

impl Delay {
    fn observe(&self, items: &[Item]) {
        let now = self.clock.now();
        for item in items {
            self.seconds.observe(now.since(item.recorded().origin.recorded_at).as_secs_f64());
        }
    }
}

/// Routes events and signals to sockets.
pub struct Hub {
    index: Mutex<Index>,
    position: watch::Sender<Option<Position>>,
    relay: Arc<dyn Relay>,
    bounds: Bounds,
}

struct Index {
    recent: Recent,
    accounts: HashMap<AccountId, Present>,
    conversations: HashMap<ConversationId, HashSet<AccountId>>,
    workspaces: Workspaces,
    last_link: u64,
    is_closed: bool,
}

/// An account with sockets on this node.
#[derive(Default)]
struct Present {
    links: Vec<Link>,
    memberships: Memberships,
    status: Option<Status>,
}

/// The hub's end of a socket.
struct Link {
    id: u64,
    proved: Proved,
    queue: mpsc::Sender<Delivery>,
    /// Taken when the socket is told to close; nothing is queued behind it.
    end: Option<oneshot::Sender<Close>>,
}

impl Link {
    fn deliver(&mut self, delivery: Delivery) {
        if self.end.is_some() && self.queue.try_send(delivery).is_err() {
            self.close(Close::SlowConsumer);
        }
    }

    fn close(&mut self, close: Close) {
        if let Some(end) = self.end.take() {
            // A socket that has gone needs no telling.
            let _ = end.send(close);
        }
    }
}

/// What became of an attempt to join the live feed.
pub enum Attach {
    /// The socket is in.
    Joined(Joined),
    /// Events are missing between it and the feed: read on in the log.
    Behind,
    /// The feed has not come as far yet: wait.
    Ahead,
    /// See [`Look::Lost`].
    Lost,
    /// The socket must not be: its session has ended, or the node is stopping.
    Refused(Close),
}

/// A socket that follows the feed.
pub struct Joined {
    /// Its place in the hub.
    pub seat: Seat,
    /// What its account sees, in the order of the log.
    pub queue: mpsc::Receiver<Delivery>,
    /// Why to close, now, whatever is in the queue.
    pub end: oneshot::Receiver<Close>,
}

/// A socket's place in the hub. Dropping it leaves the hub.
pub struct Seat {
    hub: Arc<Hub>,
    account_id: AccountId,
    id: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let gone = self.hub.lock().detach(self.account_id, self.id);
        if let Some(signal) = gone {
            self.hub.relay.publish(signal);
        }
    }
}

impl Seat {
    /// The socket proved its session anew, perhaps with a device that it had not before.
    pub fn rebind(&self, device_id: Option<DeviceId>) {
        if let Some(link) = self.hub.lock().link(self.account_id, self.id) {
            // A token from before the session was bound does not tell.
            link.proved.device_id = device_id.or(link.proved.device_id);
        }
    }

    /// Tells the other members of a conversation that the account types.
    ///
    /// # Errors
    /// [`Rejection::ConversationNotFound`] when it is no member itself, [`Rejection::WorkspaceArchived`] where nobody may write.
    pub fn typing(&self, conversation_id: ConversationId, active: bool) -> Result<(), Rejection> {
        self.hub.lock().may_type(self.account_id, conversation_id)?;
        self.hub.relay.publish(Signal {
            account_id: self.account_id,
            conversations: vec![conversation_id],
            kind: SignalKind::Typing { active },
        });
        Ok(())
    }

    /// Tells whoever shares a conversation with the account how it is.
    pub fn presence(&self, status: Status) {
        let signal = self.hub.lock().presence(self.account_id, status);
        if let Some(signal) = signal {
            self.hub.relay.publish(signal);
        }
    }
}

impl Hub {
    /// Begins behind `position`.
    pub fn new(position: Option<Position>, relay: Arc<dyn Relay>, bounds: Bounds) -> Self {
        let index = Index {
            recent: Recent::new(position, bounds.recent_events),
            accounts: HashMap::new(),
            conversations: HashMap::new(),
            workspaces: Workspaces::default(),
            last_link: 0,
            is_closed: false,
        };
        Self { index: Mutex::new(index), position: watch::Sender::new(position), relay, bounds }
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the hub is: everything up to here is in the queues of those who see it.
    pub fn position(&self) -> Option<Position> {
        *self.position.borrow()
    }

    /// Waits until the hub is at `position`.
    pub async fn reached(&self, position: Option<Position>) {
        // The sender is a part of this hub, so it is there while somebody waits.
        let _ = self.position.subscribe().wait_for(|at| *at >= position).await;
    }

    /// Follows the feed without end.
    pub async fn follow(self: Arc<Self>, mut feed: FeedSubscription, delay: Delay) {
        loop {
            match feed.next().await {
                Ok(items) => {
                    self.route(&items);
                    delay.observe(&items);
                }
                Err(error) => {
                    tracing::warn!(%error, "live lost the log and tries again");
                    tokio::time::sleep(LIVE_RETRY).await;
                }
            }
        }
    }

    /// Hands events to those who see them. The lock is given back after each, so that sockets join in between.
    pub fn route(&self, items: &[Item]) {
        for item in items {
            let event = LiveEvent::new(item.clone());
            self.lock().route(event);
        }
        let last = self.lock().recent.last();
        self.position.send_replace(last);
    }

    /// Hands signals from all nodes to sockets here.
    pub async fn listen(self: Arc<Self>, mut signals: super::signals::Signals) {
        while let Some(signal) = signals.next().await {
            self.lock().signal(&signal);
        }
    }

    /// Joins a socket that has seen everything up to `at` to the live feed.
    pub fn attach(self: &Arc<Self>, sight: &mut Sight, at: Option<Position>) -> Attach {
        let mut index = self.lock();
        if index.is_closed {
            return Attach::Refused(Close::GoingAway);
        }
        if at > index.recent.last() {
            return Attach::Ahead;
        }
        let Some(missed) = index.recent.after(at, self.bounds.attach_events) else {
            return Attach::Behind;
        };
        let (queue, receiver) = mpsc::channel(self.bounds.queue);
        let (end, ended) = oneshot::channel();
        index.last_link = index.last_link.saturating_add(1);
        let mut link = Link { id: index.last_link, proved: *sight.proved(), queue, end: Some(end) };
        for event in missed {
            match sight.look(event.audience()) {
                Look::Hidden => {}
                Look::Shown => link.deliver(Delivery::Event(event)),
                Look::Ended => return Attach::Refused(Close::SessionEnded),
                Look::Lost => return Attach::Lost,
            }
        }
        let id = link.id;
        index.join(sight, link);
        drop(index);
        let hub = Arc::clone(self);
        let seat = Seat { hub, account_id: sight.account(), id };
        Attach::Joined(Joined { seat, queue: receiver, end: ended })
    }

    /// The next events behind a position, as many as a socket may join with, if they are in memory.
    pub fn recent(&self, after: Option<Position>) -> Option<Vec<Arc<LiveEvent>>> {
        self.lock().recent.page(after, self.bounds.attach_events)
    }

    /// Whether no socket is let in any more.
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Tells every socket to close and lets no other in.
    pub fn close(&self, close: Close) {
        let mut index = self.lock();
        index.is_closed = true;
        for link in index.accounts.values_mut().flat_map(|present| present.links.iter_mut()) {
            link.close(close);
        }
    }
}

impl Index {
    fn link(&mut self, account_id: AccountId, id: u64) -> Option<&mut Link> {
        self.accounts.get_mut(&account_id)?.links.iter_mut().find(|link| link.id == id)
    }

    fn may_type(&self, account_id: AccountId, conversation_id: ConversationId) -> Result<(), Rejection> {
        let memberships = self.accounts.get(&account_id).map(|present| &present.memberships);
        match memberships.filter(|memberships| memberships.sees(&conversation_id)) {
            None => Err(Rejection::ConversationNotFound),
            Some(memberships) if !memberships.writes_in(&conversation_id) => {
                Err(Rejection::WorkspaceArchived)
            }
            Some(_) => Ok(()),
        }
    }

    /// Memberships of an account that is present already are known, as of the same position.
    fn join(&mut self, sight: &Sight, mut link: Link) {
        let account_id = sight.account();
        match self.accounts.entry(account_id) {
            Entry::Occupied(_) => {}
            Entry::Vacant(entry) => {
                let memberships = sight.memberships().clone();
                for conversation in memberships.seen() {
                    self.conversations.entry(conversation).or_default().insert(account_id);
                }
                for workspace in memberships.workspaces() {
                    self.workspaces.enter(account_id, workspace);
                }
                entry.insert(Present { memberships, ..Present::default() });
            }
        }
        for (other, status) in self.statuses(account_id) {
            link.deliver(Delivery::Signal(SignalKind::Presence { status }.frame(other, None)));
        }
        if let Some(present) = self.accounts.get_mut(&account_id) {
            present.links.push(link);
        }
    }

    /// Statuses of those on this node who share a conversation with the account, up to a limit.
    fn statuses(&self, account_id: AccountId) -> Vec<(AccountId, Status)> {
        let Some(present) = self.accounts.get(&account_id) else { return Vec::new() };
        let mut seen = HashSet::from([account_id]);
        let neighbours =
            present.memberships.seen().filter_map(|id| self.conversations.get(&id)).flatten().copied();
        neighbours
            .filter(|other| seen.insert(*other))
            .take(LIVE_SIGNAL_RECIPIENTS_MAX)
            .filter_map(|other| Some((other, self.accounts.get(&other)?.status?)))
            .collect()
    }

    /// Takes a link out; with the last one its account goes, and whoever was told of its presence is told of that.
    fn detach(&mut self, account_id: AccountId, id: u64) -> Option<Signal> {
        let present = self.accounts.get_mut(&account_id)?;
        present.links.retain(|link| link.id != id);
        if !present.links.is_empty() {
            return None;
        }
        let gone = self.accounts.remove(&account_id)?;
        let conversations: Vec<_> = gone.memberships.seen().collect();
        self.workspaces.forget(account_id);
        for conversation in &conversations {
            self.leave(*conversation, account_id);
        }
        let kind = SignalKind::Presence { status: Status::Offline };
        gone.status.map(|_| Signal { account_id, conversations, kind })
    }

    fn leave(&mut self, conversation: ConversationId, account_id: AccountId) {
        if let Entry::Occupied(mut members) = self.conversations.entry(conversation) {
            members.get_mut().remove(&account_id);
            if members.get().is_empty() {
                members.remove();
            }
        }
    }

    fn route(&mut self, event: Arc<LiveEvent>) {
        let Audience { conversation, ref only, account, workspace, change, ends } = *event.audience();
        if let Some(change) = change {
            self.change(change);
        }
        let members = conversation.and_then(|id| self.conversations.get(&id));
        let delivery = Delivery::Event(Arc::clone(&event));
        match (members, only) {
            (Some(members), None) => {
                members.iter().for_each(|member| deliver(&mut self.accounts, *member, &delivery));
            }
            // As many steps as there are names, however many members.
            (Some(members), Some(only)) => {
                let among = only.iter().filter(|account| members.contains(account));
                among.for_each(|member| deliver(&mut self.accounts, *member, &delivery));
            }
            (None, _) => {}
        }
        if let Some(account) = account.filter(|id| !members.is_some_and(|members| members.contains(id))) {
            deliver(&mut self.accounts, account, &Delivery::Event(Arc::clone(&event)));
        }
        for account in workspace.into_iter().flat_map(|id| self.workspaces.accounts(id)) {
            let sees = |present: &Present| workspace.is_some_and(|id| present.memberships.is_in(id));
            if self.accounts.get(&account).is_some_and(sees) {
                deliver(&mut self.accounts, account, &Delivery::Event(Arc::clone(&event)));
            }
        }
        if let Some(ends) = ends {
            self.end(ends);
        }
        self.recent.push(event);
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Joined(conversation, account, place) => {
                if let Some(present) = self.accounts.get_mut(&account) {
                    if let Some(workspace) = place.terms.workspace {
                        self.workspaces.enter(account, workspace.workspace_id);
                    }
                    present.memberships.join(conversation, place);
                    if present.memberships.sees(&conversation) {
                        self.conversations.entry(conversation).or_default().insert(account);
                    }
                }
            }
            Change::Left(conversation, account) => {
                if let Some(present) = self.accounts.get_mut(&account) {
                    present.memberships.leave(conversation);
                    self.leave(conversation, account);
                }
            }
            Change::LeftOrganization(organization, account, before) => {
                self.curtail(account, |memberships| memberships.end_organization(organization, before));
            }
            Change::LeftWorkspace(workspace, account, before) => {
                self.curtail(account, |memberships| memberships.end_workspace(workspace, before));
            }
            Change::Archived(workspace) => {
                for account in self.workspaces.accounts(workspace) {
                    if let Some(present) = self.accounts.get_mut(&account) {
                        present.memberships.archive(workspace);
                    }
                }
            }
            Change::Bound(account, session, device) => {
                let links =
                    self.accounts.get_mut(&account).into_iter().flat_map(|present| &mut present.links);
                for link in links.filter(|link| link.proved.session_id == session) {
                    link.proved.device_id = Some(device);
                }
            }
        }
    }

    /// Ends terms of an account, and takes it out of the conversations that it sees no more.
    fn curtail(&mut self, account: AccountId, end: impl FnOnce(&mut Memberships)) {
        let Some(present) = self.accounts.get_mut(&account) else { return };
        let before: Vec<_> = present.memberships.seen().collect();
        end(&mut present.memberships);
        let gone: Vec<_> = before.into_iter().filter(|id| !present.memberships.sees(id)).collect();
        for conversation in gone {
            self.leave(conversation, account);
        }
    }

    fn end(&mut self, ends: Ends) {
        let account_id = ends.account();
        let Some(present) = self.accounts.get_mut(&account_id) else { return };
        for link in &mut present.links {
            if ends.hits(&link.proved) {
                link.close(Close::SessionEnded);
            }
        }
    }

    /// Sets a status; the signal that tells of it, if it is another than before.
    fn presence(&mut self, account_id: AccountId, status: Status) -> Option<Signal> {
        let present = self.accounts.get_mut(&account_id)?;
        if present.status.replace(status) == Some(status) {
            return None;
        }
        let conversations = present.memberships.seen().collect();
        Some(Signal { account_id, conversations, kind: SignalKind::Presence { status } })
    }

    fn signal(&mut self, signal: &Signal) {
        let mut seen = HashSet::from([signal.account_id]);
        for id in &signal.conversations {
            let Some(members) = self.conversations.get(id) else { continue };
            let frame = signal.kind.frame(signal.account_id, Some(*id));
            for member in members {
                if seen.len() > LIVE_SIGNAL_RECIPIENTS_MAX {
                    return;
                }
                if seen.insert(*member) {
                    deliver(&mut self.accounts, *member, &Delivery::Signal(Arc::clone(&frame)));
                }
            }
        }
    }
}

fn deliver(accounts: &mut HashMap<AccountId, Present>, to: AccountId, delivery: &Delivery) {
    for link in accounts.get_mut(&to).into_iter().flat_map(|present| &mut present.links) {
        link.deliver(delivery.clone());
    }
}
