//! The hub: one a process. It follows the feed, keeps the memberships of connected accounts and hands each event to the
//! outboxes of those who see it. It opens nothing, writes nothing and waits for nobody; signals are another's
//! ([`super::signal_hub`]), which it tells who is where.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use commands::clock::Clock;
use domain::{AccountId, ConversationId, DeviceId, Rejection};
use eventstore_schema::Position;
use projections::{FeedSubscription, Item};
use prometheus::Histogram;
use tokio::sync::{mpsc, watch};

use super::Bounds;
use super::audience::{Audience, Change, Ends, Proved};
use super::close::Close;
use super::event::LiveEvent;
use super::memberships::Memberships;
use super::outbox::Outbox;
use super::recent::Recent;
use super::sight::{Look, Sight};
use super::signal_hub::Update;
use super::signals::{Relay, Signal, SignalKind, Status};
use super::workspaces::Workspaces;
use crate::limits::LIVE_RETRY;

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

/// Routes events to sockets.
pub struct Hub {
    index: Mutex<Index>,
    position: watch::Sender<Option<Position>>,
    relay: Arc<dyn Relay>,
    updates: Updates,
    bounds: Bounds,
}

/// Where it is told what becomes of who is here. Without a limit: each is of a socket that is there or of an event that was routed,
/// and is taken in before any signal.
#[derive(Clone)]
struct Updates(mpsc::UnboundedSender<Update>);

impl Updates {
    fn tell(&self, update: Update) {
        // Nobody takes it when the node stops.
        let _ = self.0.send(update);
    }
}

struct Index {
    recent: Recent,
    accounts: HashMap<AccountId, Present>,
    conversations: HashMap<ConversationId, HashSet<AccountId>>,
    workspaces: Workspaces,
    last_link: u64,
    is_closed: bool,
    updates: Updates,
}

/// An account with sockets on this node.
#[derive(Default)]
struct Present {
    links: Vec<Link>,
    memberships: Memberships,
}

/// The hub's end of a socket.
struct Link {
    id: u64,
    proved: Proved,
    outbox: Arc<Outbox>,
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
    pub outbox: Arc<Outbox>,
}

/// A socket's place in the hub. Dropping it leaves the hub.
pub struct Seat {
    hub: Arc<Hub>,
    account_id: AccountId,
    id: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.lock().detach(self.account_id, self.id);
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
        self.hub.publish(Signal {
            account_id: self.account_id,
            conversations: vec![conversation_id],
            kind: SignalKind::Typing { active },
        });
        Ok(())
    }

    /// Tells whoever shares a conversation with the account how it is.
    pub fn presence(&self, status: Status) {
        self.hub.updates.tell(Update::Told(self.account_id, status));
    }
}

impl Hub {
    /// Begins behind `position`; what becomes of who is here goes to `updates` as well.
    pub fn new(
        position: Option<Position>,
        relay: Arc<dyn Relay>,
        updates: mpsc::UnboundedSender<Update>,
        bounds: Bounds,
    ) -> Self {
        let updates = Updates(updates);
        let index = Index {
            recent: Recent::new(position, bounds.recent_events),
            accounts: HashMap::new(),
            conversations: HashMap::new(),
            workspaces: Workspaces::default(),
            last_link: 0,
            is_closed: false,
            updates: updates.clone(),
        };
        Self { index: Mutex::new(index), position: watch::Sender::new(position), relay, updates, bounds }
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

    /// Has a signal reach every node.
    pub fn publish(&self, signal: Signal) {
        self.relay.publish(signal);
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
        let Some(missed) = index.recent.after(at, self.bounds.attach) else {
            return Attach::Behind;
        };
        let outbox = Arc::new(Outbox::new(self.bounds.outbox));
        for event in missed {
            match sight.look(event.audience()) {
                Look::Hidden => {}
                Look::Shown => outbox.put(&event),
                Look::Ended => return Attach::Refused(Close::SessionEnded),
                Look::Lost => return Attach::Lost,
            }
        }
        let id = index.join(sight, Arc::clone(&outbox));
        drop(index);
        let hub = Arc::clone(self);
        let seat = Seat { hub, account_id: sight.account(), id };
        Attach::Joined(Joined { seat, outbox })
    }

    /// The next events behind a position, as many as a socket may join with, if they are in memory.
    pub fn recent(&self, after: Option<Position>) -> Option<Vec<Arc<LiveEvent>>> {
        self.lock().recent.page(after, self.bounds.attach)
    }

    /// Whether no socket is let in any more.
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Tells every socket to close and lets no other in.
    pub fn close(&self, close: Close) {
        let mut index = self.lock();
        index.is_closed = true;
        for link in index.accounts.values().flat_map(|present| &present.links) {
            link.outbox.end(close);
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
    fn join(&mut self, sight: &Sight, outbox: Arc<Outbox>) -> u64 {
        self.last_link = self.last_link.saturating_add(1);
        let (account_id, link, mut conversations) = (sight.account(), self.last_link, Vec::new());
        let present = match self.accounts.entry(account_id) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let memberships = sight.memberships().clone();
                conversations.extend(memberships.seen());
                for conversation in &conversations {
                    self.conversations.entry(*conversation).or_default().insert(account_id);
                }
                for workspace in memberships.workspaces() {
                    self.workspaces.enter(account_id, workspace);
                }
                entry.insert(Present { memberships, ..Present::default() })
            }
        };
        present.links.push(Link { id: link, proved: *sight.proved(), outbox: Arc::clone(&outbox) });
        self.updates.tell(Update::Attached { account_id, link, outbox, conversations });
        link
    }

    /// Takes a link out; with the last one its account goes.
    fn detach(&mut self, account_id: AccountId, id: u64) {
        let Some(present) = self.accounts.get_mut(&account_id) else { return };
        present.links.retain(|link| link.id != id);
        self.updates.tell(Update::Detached(account_id, id));
        if !present.links.is_empty() {
            return;
        }
        let Some(gone) = self.accounts.remove(&account_id) else { return };
        self.workspaces.forget(account_id);
        for conversation in gone.memberships.seen() {
            self.leave(conversation, account_id);
        }
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
        let Audience { conversation, ref only, account, workspace, change, ends, .. } = *event.audience();
        if let Some(change) = change {
            self.change(change);
        }
        let members = conversation.and_then(|id| self.conversations.get(&id));
        match (members, only) {
            (Some(members), None) => {
                members.iter().for_each(|member| self.deliver(*member, &event));
            }
            // As many steps as there are names, however many members.
            (Some(members), Some(only)) => {
                let among = only.iter().filter(|account| members.contains(account));
                among.for_each(|member| self.deliver(*member, &event));
            }
            (None, _) => {}
        }
        if let Some(account) = account.filter(|id| !members.is_some_and(|members| members.contains(id))) {
            self.deliver(account, &event);
        }
        for account in workspace.into_iter().flat_map(|id| self.workspaces.accounts(id)) {
            let sees = |present: &Present| workspace.is_some_and(|id| present.memberships.is_in(id));
            if self.accounts.get(&account).is_some_and(sees) {
                self.deliver(account, &event);
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
                        self.updates.tell(Update::Joined(conversation, account));
                    }
                }
            }
            Change::History(conversation, visibility) => {
                for account in self.conversations.get(&conversation).into_iter().flatten() {
                    let present = self.accounts.get_mut(account).into_iter();
                    present.for_each(|one| one.memberships.show_history(conversation, visibility));
                }
            }
            Change::Left(conversation, account) => {
                if let Some(present) = self.accounts.get_mut(&account) {
                    present.memberships.leave(conversation);
                    self.leave(conversation, account);
                    self.updates.tell(Update::Left(conversation, account));
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
            self.updates.tell(Update::Left(conversation, account));
        }
    }

    fn end(&self, ends: Ends) {
        let links = self.accounts.get(&ends.account()).into_iter().flat_map(|present| &present.links);
        for link in links.filter(|link| ends.hits(&link.proved)) {
            link.outbox.end(Close::SessionEnded);
        }
    }

    fn deliver(&self, to: AccountId, event: &Arc<LiveEvent>) {
        let seen_by = self.accounts.get(&to).filter(|present| present.memberships.admit(event.audience()));
        for link in seen_by.into_iter().flat_map(|present| &present.links) {
            link.outbox.put(event);
        }
    }
}
