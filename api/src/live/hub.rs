//! Who is connected, what they may see, and from where each event goes to whom. Pure bookkeeping: no waiting in here.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use domain::{AccountId, ConversationId, OrganizationId, WorkspaceId};
use eventstore_schema::Position;
use projections::Item;

use super::audience::{self, Change, Revocation, Scope};
use super::connection::Connection;
use super::entry::Entry;
use super::frames::{Closing, Down, Status};
use super::memberships::Memberships;
use super::recent::Recent;
use crate::limits::{LIVE_CATCH_UP_STEP_EVENTS, LIVE_CONNECTIONS_PER_ACCOUNT_MAX};

/// Connected accounts by what they are members of.
struct Index<K>(HashMap<K, HashSet<AccountId>>);

impl<K: Eq + Hash + Copy> Index<K> {
    fn add(&mut self, key: K, account: AccountId) {
        self.0.entry(key).or_default().insert(account);
    }

    fn remove(&mut self, key: K, account: AccountId) {
        if let MapEntry::Occupied(mut accounts) = self.0.entry(key) {
            accounts.get_mut().remove(&account);
            if accounts.get().is_empty() {
                accounts.remove();
            }
        }
    }

    fn get(&self, key: &K) -> impl Iterator<Item = AccountId> {
        self.0.get(key).into_iter().flatten().copied()
    }
}

/// A followed account.
struct Seat {
    memberships: Memberships,
    /// Sockets that are open or about to follow; the account is forgotten when there are none.
    holders: usize,
    connections: Vec<Arc<Connection>>,
    status: Status,
}

/// What a socket that resumes does next.
pub(super) enum Step {
    /// It has everything and follows from now on.
    Following,
    /// Hand these on, then ask again from behind the place.
    Deliver(Vec<Arc<Entry>>, Option<Position>),
    /// What it missed is in memory no more.
    ReadLog,
}

/// All bookkeeping, under one lock.
pub(super) struct Hub {
    position: Option<Position>,
    recent: Recent,
    seats: HashMap<AccountId, Seat>,
    conversations: Index<ConversationId>,
    organizations: Index<OrganizationId>,
    workspaces: Index<WorkspaceId>,
    /// Who wants to know of whose presence.
    watchers: HashMap<AccountId, Vec<Arc<Connection>>>,
    /// Whom a socket watches.
    watched: HashMap<u64, Vec<AccountId>>,
}

impl Hub {
    pub(super) fn new(position: Option<Position>) -> Self {
        Self {
            position,
            recent: Recent::new(position),
            seats: HashMap::new(),
            conversations: Index(HashMap::new()),
            organizations: Index(HashMap::new()),
            workspaces: Index(HashMap::new()),
            watchers: HashMap::new(),
            watched: HashMap::new(),
        }
    }

    /// The last event that was handed on.
    pub(super) fn position(&self) -> Option<Position> {
        self.position
    }

    /// Hands on one item of the feed. Returns how many sockets it went to.
    pub(super) fn process(&mut self, item: &Item) -> usize {
        let mut delivered = 0;
        if let Item::Event(decoded) = item {
            let entry = Arc::new(Entry::new(Arc::clone(decoded)));
            // Whoever joins sees that they did, and whoever leaves too: as the event's subject.
            if let Some(change) = audience::change(&decoded.event) {
                self.apply(change);
            }
            if entry.audience.scope != Scope::Nobody {
                delivered = self.deliver(&entry);
                self.recent.push(entry);
            }
            if let Some(revocation) = audience::revocation(decoded) {
                self.revoke(revocation);
            }
        }
        self.position = Some(item.position());
        delivered
    }

    fn apply(&mut self, change: Change) {
        let (Change::Conversation { account, .. }
        | Change::Organization { account, .. }
        | Change::Workspace { account, .. }) = change;
        let Some(seat) = self.seats.get_mut(&account) else { return };
        seat.memberships.apply(account, change);
        match change {
            Change::Conversation { id, is_member: true, .. } => self.conversations.add(id, account),
            Change::Conversation { id, is_member: false, .. } => self.conversations.remove(id, account),
            Change::Organization { id, role: Some(_), .. } => self.organizations.add(id, account),
            Change::Organization { id, role: None, .. } => self.organizations.remove(id, account),
            Change::Workspace { id, is_member: true, .. } => self.workspaces.add(id, account),
            Change::Workspace { id, is_member: false, .. } => self.workspaces.remove(id, account),
        }
    }

    fn deliver(&self, entry: &Arc<Entry>) -> usize {
        let in_scope: Vec<AccountId> = match entry.audience.scope {
            Scope::Nobody => Vec::new(),
            Scope::Account(id) => vec![id],
            Scope::Conversation(id) => self.conversations.get(&id).collect(),
            Scope::Organization(id) | Scope::Managers(id) => self.organizations.get(&id).collect(),
            Scope::Workspace(id) => self.workspaces.get(&id).collect(),
        };
        let subject = entry.audience.subject.filter(|subject| !in_scope.contains(subject));
        let mut delivered = 0;
        for account in in_scope.into_iter().chain(subject) {
            let Some(seat) = self.seats.get(&account) else { continue };
            if seat.memberships.admit(account, &entry.audience) {
                seat.connections.iter().for_each(|connection| connection.deliver(entry));
                delivered += seat.connections.len();
            }
        }
        delivered
    }

    fn revoke(&self, revocation: Revocation) {
        let (Revocation::Session(account, _) | Revocation::Device(account, _)) = revocation;
        let Some(seat) = self.seats.get(&account) else { return };
        for connection in &seat.connections {
            let is_meant = match revocation {
                Revocation::Session(_, session) => connection.session_id == session,
                Revocation::Device(_, device) => connection.device_id == Some(device),
            };
            if is_meant {
                connection.cut(Closing::Revoked);
            }
        }
    }

    /// Holds an account that is followed already; `false` when its memberships have to be loaded first.
    pub(super) fn hold(&mut self, account: AccountId) -> bool {
        match self.seats.get_mut(&account) {
            Some(seat) => {
                seat.holders += 1;
                true
            }
            None => false,
        }
    }

    /// Follows an account from memberships that were read at `since` or later; `false` when too much happened since, so
    /// that they have to be loaded again.
    pub(super) fn follow(
        &mut self,
        account: AccountId,
        mut memberships: Memberships,
        since: Option<Position>,
    ) -> bool {
        if self.hold(account) {
            return true;
        }
        if !self.recent.covers(since) {
            return false;
        }
        for entry in self.recent.after(since) {
            if let Some(change) = audience::change(&entry.decoded.event) {
                memberships.apply(account, change);
            }
        }
        memberships.conversations.iter().for_each(|id| self.conversations.add(*id, account));
        memberships.organizations.keys().for_each(|id| self.organizations.add(*id, account));
        memberships.workspaces.iter().for_each(|id| self.workspaces.add(*id, account));
        let seat = Seat { memberships, holders: 1, connections: Vec::new(), status: Status::Offline };
        self.seats.insert(account, seat);
        true
    }

    /// Gives up holding an account.
    pub(super) fn release(&mut self, account: AccountId) {
        let MapEntry::Occupied(mut seat) = self.seats.entry(account) else { return };
        seat.get_mut().holders -= 1;
        if seat.get().holders > 0 {
            return;
        }
        let Seat { memberships, .. } = seat.remove();
        memberships.conversations.iter().for_each(|id| self.conversations.remove(*id, account));
        memberships.organizations.keys().for_each(|id| self.organizations.remove(*id, account));
        memberships.workspaces.iter().for_each(|id| self.workspaces.remove(*id, account));
    }

    /// Whether a followed account may see an event.
    pub(super) fn admits(&self, account: AccountId, entry: &Entry) -> bool {
        self.seats.get(&account).is_some_and(|seat| seat.memberships.admit(account, &entry.audience))
    }

    /// Begins to follow from now on.
    pub(super) fn attach(&mut self, connection: &Arc<Connection>, after: Option<Position>) {
        connection.begin(after);
        let Some(seat) = self.seats.get_mut(&connection.account_id) else {
            return connection.cut(Closing::GoingAway);
        };
        if seat.connections.len() >= LIVE_CONNECTIONS_PER_ACCOUNT_MAX {
            return connection.cut(Closing::TooMany);
        }
        seat.connections.push(Arc::clone(connection));
        if seat.status == Status::Offline {
            self.set_status(connection.account_id, Status::Online);
        }
    }

    /// Moves a socket that resumes behind `after` one step on.
    pub(super) fn step(&mut self, connection: &Arc<Connection>, after: Option<Position>) -> Step {
        if after >= self.position {
            self.attach(connection, after);
            return Step::Following;
        }
        if !self.recent.covers(after) {
            return Step::ReadLog;
        }
        let missed = self.recent.after(after).filter(|entry| self.admits(connection.account_id, entry));
        let missed: Vec<_> = missed.take(LIVE_CATCH_UP_STEP_EVENTS).cloned().collect();
        if missed.is_empty() {
            self.attach(connection, self.position);
            return Step::Following;
        }
        let is_all = missed.len() < LIVE_CATCH_UP_STEP_EVENTS;
        let upto = if is_all { self.position } else { missed.last().map(|entry| entry.position()) };
        Step::Deliver(missed, upto)
    }

    /// Forgets a socket.
    pub(super) fn detach(&mut self, connection: &Arc<Connection>) {
        self.watch(connection, &[]);
        let Some(seat) = self.seats.get_mut(&connection.account_id) else { return };
        let before = seat.connections.len();
        seat.connections.retain(|one| one.id != connection.id);
        if before > 0 && seat.connections.is_empty() {
            self.set_status(connection.account_id, Status::Offline);
        }
    }

    /// Shows an account's presence to those who watch it and share a conversation with it.
    pub(super) fn set_status(&mut self, account: AccountId, status: Status) {
        let Some(seat) = self.seats.get_mut(&account) else { return };
        if std::mem::replace(&mut seat.status, status) == status {
            return;
        }
        let text = Down::Presence { account_id: account, status }.text();
        for watcher in self.watchers.get(&account).into_iter().flatten() {
            if self.are_acquainted(watcher.account_id, account) {
                watcher.tell(&text);
            }
        }
    }

    fn are_acquainted(&self, one: AccountId, other: AccountId) -> bool {
        match (self.seats.get(&one), self.seats.get(&other)) {
            (Some(one), Some(other)) => one.memberships.meet(&other.memberships),
            _ => false,
        }
    }

    /// Replaces whom a socket watches, and tells it who of them is there.
    pub(super) fn watch(&mut self, connection: &Arc<Connection>, accounts: &[AccountId]) {
        for account in self.watched.remove(&connection.id).unwrap_or_default() {
            if let MapEntry::Occupied(mut watchers) = self.watchers.entry(account) {
                watchers.get_mut().retain(|one| one.id != connection.id);
                if watchers.get().is_empty() {
                    watchers.remove();
                }
            }
        }
        if !accounts.is_empty() {
            self.watched.insert(connection.id, accounts.to_vec());
        }
        for account in accounts {
            self.watchers.entry(*account).or_default().push(Arc::clone(connection));
            let status = self.seats.get(account).map_or(Status::Offline, |seat| seat.status);
            if status != Status::Offline && self.are_acquainted(connection.account_id, *account) {
                connection.tell(&Down::Presence { account_id: *account, status }.text());
            }
        }
    }

    /// Tells the other members of a conversation that somebody types.
    pub(super) fn typing(&self, from: &Connection, conversation_id: ConversationId, active: bool) {
        let Some(seat) = self.seats.get(&from.account_id) else { return };
        if !seat.memberships.conversations.contains(&conversation_id) {
            return;
        }
        let (account_id, device_id) = (from.account_id, from.device_id);
        let text = Down::Typing { conversation_id, account_id, device_id, active }.text();
        for account in self.conversations.get(&conversation_id) {
            let connections = self.seats.get(&account).into_iter().flat_map(|seat| &seat.connections);
            connections.filter(|one| one.id != from.id).for_each(|one| one.tell(&text));
        }
    }

    /// Tells every socket how far events were handed on, so that whoever was quiet for long resumes from close by.
    pub(super) fn tell_cursors(&self) {
        let Some(position) = self.position else { return };
        let connections = self.seats.values().flat_map(|seat| &seat.connections);
        connections.for_each(|connection| connection.advance(position));
    }

    /// Cuts every socket.
    pub(super) fn cut_all(&self, closing: Closing) {
        self.seats.values().flat_map(|seat| &seat.connections).for_each(|connection| connection.cut(closing));
    }
}
