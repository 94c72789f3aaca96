//! The live socket: events in the order of the log as they happen, and commands up the same way.
//!
//! One task follows the feed and puts each event into the outboxes of those who see it ([`hub`]); who that is, [`audience`]
//! says. Another does so with signals, of which some may be lost ([`signal_hub`]). Each socket empties its outbox in a task of its
//! own ([`socket`]); whoever is too slow is cut and resumes by the
//! cursor of the last event that arrived. What was missed meanwhile comes from memory, or from the account's own streams in the
//! log ([`catch_up`], [`missed`]); beyond a limit the client is told to read anew. `ops/docs/live.md` describes all of it for clients.

mod audience;
mod catch_up;
mod close;
mod event;
mod frames;
mod hub;
mod line;
mod memberships;
mod missed;
mod outbox;
mod read_permits;
mod recent;
pub(crate) mod schemas;
mod sight;
mod signal_hub;
mod signals;
mod socket;
mod terms;
#[cfg(test)]
mod tests;
mod upgrade;
mod wire;
mod workspaces;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use commands::clock::Clock;
use domain::AccountId;
use eventstore_schema::{LogError, PageLimits};
use projections::Feed;
use tokio::sync::{Semaphore, mpsc};

use self::close::Close;
use self::hub::{Delay, Hub};
use self::outbox::Capacity;
use self::read_permits::ReadPermits;
use self::signal_hub::SignalHub;
use crate::limits::{
    LIVE_ATTACH_BYTES_MAX, LIVE_ATTACH_EVENTS_MAX, LIVE_CATCH_UP_EVENTS_MAX, LIVE_CLOSE_WAIT_MAX,
    LIVE_CONNECTIONS_MAX, LIVE_CONNECTIONS_PER_ACCOUNT_MAX, LIVE_HEARTBEAT_EVERY, LIVE_QUEUE_BYTES_MAX,
    LIVE_QUEUE_EVENTS_MAX, LIVE_RECENT_EVENTS_MAX, LIVE_SIGNALS_WAITING_MAX, LIVE_SILENCE_MAX,
};
use crate::metrics::Metrics;

pub use self::signals::{InProcess, Relay, Signal, SignalKind, Signals, Status};
pub(crate) use self::upgrade::upgrade;

/// The limits that tests have to reach; [`Bounds::default`] is what [`crate::limits`] says.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// What waits for one socket.
    outbox: Capacity,
    /// Recent events that a socket may be behind when it joins the feed.
    attach: PageLimits,
    /// Recent events in memory.
    recent_events: usize,
    /// Events of its own streams that a socket may have missed.
    catch_up_events: usize,
    /// Longest wait for a client to take the frame that says why it is cut.
    close_wait: Duration,
    /// How often the server asks whether a client is there.
    heartbeat: Duration,
    /// After how long without a word a client counts as gone.
    silence: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            outbox: Capacity {
                events: LIVE_QUEUE_EVENTS_MAX,
                bytes: LIVE_QUEUE_BYTES_MAX,
                signals: LIVE_SIGNALS_WAITING_MAX,
            },
            attach: PageLimits { events: LIVE_ATTACH_EVENTS_MAX, bytes: LIVE_ATTACH_BYTES_MAX },
            recent_events: LIVE_RECENT_EVENTS_MAX,
            catch_up_events: LIVE_CATCH_UP_EVENTS_MAX,
            close_wait: LIVE_CLOSE_WAIT_MAX,
            heartbeat: LIVE_HEARTBEAT_EVERY,
            silence: LIVE_SILENCE_MAX,
        }
    }
}

/// All live sockets of a process.
pub struct Live {
    hub: Arc<Hub>,
    bounds: Bounds,
    feed: Arc<Feed>,
    /// Permits to read for those who catch up.
    read_permits: Semaphore,
    sockets: Arc<Sockets>,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Live {
    /// Most sockets of a process, where it has files for them.
    pub const SOCKETS_MAX: usize = LIVE_CONNECTIONS_MAX;

    /// Takes at most `max` sockets, [`Live::SOCKETS_MAX`] at most.
    #[must_use]
    pub fn with_sockets_max(mut self, max: usize) -> Self {
        self.sockets = Arc::new(Sockets { max: max.min(Self::SOCKETS_MAX), ..Sockets::default() });
        self
    }

    /// Follows the feed from the log's end on, alone: signals reach sockets of this process. Has to be called within a
    /// Tokio runtime that outlives the sockets.
    ///
    /// # Errors
    /// When the log cannot be reached.
    pub async fn start(feed: Arc<Feed>, clock: &Clock, metrics: &Metrics) -> Result<Self, LogError> {
        Self::start_with(feed, Arc::new(InProcess::default()), clock, metrics).await
    }

    /// As [`Live::start`], with signals carried to other nodes by `relay`.
    ///
    /// # Errors
    /// When the log cannot be reached.
    pub async fn start_with(
        feed: Arc<Feed>,
        relay: Arc<dyn Relay>,
        clock: &Clock,
        metrics: &Metrics,
    ) -> Result<Self, LogError> {
        let delay = Delay { clock: clock.clone(), seconds: metrics.live_delay.clone() };
        Self::start_within(feed, relay, delay, Bounds::default()).await
    }

    async fn start_within(
        feed: Arc<Feed>,
        relay: Arc<dyn Relay>,
        delay: Delay,
        bounds: Bounds,
    ) -> Result<Self, LogError> {
        let position = feed.log().head().await?.position;
        let signals = relay.signals();
        let (updates, updated) = mpsc::unbounded_channel();
        let listener = tokio::spawn(SignalHub::new(Arc::clone(&relay)).run(updated, signals));
        let hub = Arc::new(Hub::new(position, relay, updates, bounds));
        let follower = tokio::spawn(Arc::clone(&hub).follow(feed.subscribe(position), delay));
        Ok(Self {
            hub,
            bounds,
            feed,
            read_permits: read_permits::of_node(),
            sockets: Arc::new(Sockets::default()),
            tasks: [follower, listener],
        })
    }

    /// Sends all sockets away; they resume elsewhere, or here after a restart.
    pub fn close(&self) {
        self.hub.close(Close::GoingAway);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// How many sockets there are, in all and of each account.
struct Sockets {
    max: usize,
    open: AtomicUsize,
    accounts: Mutex<HashMap<AccountId, Account>>,
}

/// An account's sockets.
#[derive(Default)]
struct Account {
    count: usize,
    permits: ReadPermits,
}

impl Default for Sockets {
    fn default() -> Self {
        Self { max: LIVE_CONNECTIONS_MAX, open: AtomicUsize::new(0), accounts: Mutex::default() }
    }
}

impl Sockets {
    /// Counts a socket in for as long as the result lives; `None` when the node has as many as it may.
    fn open(self: &Arc<Self>) -> Option<Open> {
        let open = Open(Arc::clone(self));
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        (before < self.max).then_some(open)
    }

    /// Counts a socket of an account for as long as the result lives; `None` when it has as many as it may.
    fn of(self: &Arc<Self>, account_id: AccountId) -> Option<Owned> {
        let mut accounts = self.accounts();
        let account = accounts.entry(account_id).or_default();
        if account.count >= LIVE_CONNECTIONS_PER_ACCOUNT_MAX {
            return None;
        }
        account.count += 1;
        Some(Owned { sockets: Arc::clone(self), account_id, permits: account.permits.clone() })
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<AccountId, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open socket.
struct Open(Arc<Sockets>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A socket of an account.
struct Owned {
    sockets: Arc<Sockets>,
    account_id: AccountId,
    /// Those of all its sockets.
    permits: ReadPermits,
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Entry::Occupied(mut account) = self.sockets.accounts().entry(self.account_id) {
            account.get_mut().count -= 1;
            if account.get().count == 0 {
                account.remove();
            }
        }
    }
}
