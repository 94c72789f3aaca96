//! The live socket: events in order as they happen, and commands up the same way.
//!
//! One task follows the feed and hands each event to the sockets whose accounts may see it ([`hub`]). Each socket has a
//! bounded queue and a task that empties it; whoever is too slow is cut and resumes by the cursor of the last event that
//! arrived. What was missed comes from memory, or from the log within limits; beyond them the client is told to reset.

mod audience;
mod catch_up;
mod connection;
mod entry;
mod frames;
mod hub;
mod memberships;
mod recent;
mod socket;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::AccountId;
use eventstore_schema::LogError;
use projections::Feed;
use prometheus::IntCounter;
use tokio::sync::Semaphore;

use self::frames::Closing;
use self::hub::Hub;
use self::memberships::Memberships;
use crate::limits::{
    LIVE_CATCH_UPS_AT_ONCE_MAX, LIVE_CONNECTIONS_MAX, LIVE_HEARTBEAT_EVERY, LIVE_LOADS_MAX,
    MIN_POSITION_WAIT_MAX,
};
use crate::problem::{Code, Problem};
use crate::state::State;

pub use self::socket::upgrade;

/// All live sockets of a process.
pub struct Live {
    shared: Arc<Shared>,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

struct Shared {
    hub: Mutex<Hub>,
    feed: Arc<Feed>,
    /// Who reads the log to catch up.
    readers: Semaphore,
    ids: AtomicU64,
    open: AtomicUsize,
}

impl Shared {
    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// Follows the feed from the log's end on; `events` counts the frames handed to sockets. Has to be called within a
    /// Tokio runtime that outlives the sockets.
    ///
    /// # Errors
    /// When the log cannot be reached.
    pub async fn start(feed: Arc<Feed>, events: IntCounter) -> Result<Self, LogError> {
        let position = feed.log().head().await?.position;
        let shared = Arc::new(Shared {
            hub: Mutex::new(Hub::new(position)),
            feed,
            readers: Semaphore::new(LIVE_CATCH_UPS_AT_ONCE_MAX),
            ids: AtomicU64::new(0),
            open: AtomicUsize::new(0),
        });
        let follower = tokio::spawn(follow(Arc::clone(&shared), events));
        let heart = tokio::spawn(beat(Arc::clone(&shared)));
        Ok(Self { shared, tasks: [follower, heart] })
    }

    /// Sends all sockets away; they resume elsewhere, or here after a restart.
    pub fn close(&self) {
        self.shared.hub().cut_all(Closing::GoingAway);
    }

    /// Makes sure that an account's memberships are followed, for as long as the result lives.
    async fn hold(&self, state: &State, account: AccountId) -> Result<Held, Problem> {
        let held = || Held { shared: Arc::clone(&self.shared), account };
        for _ in 0..LIVE_LOADS_MAX {
            let since = {
                let mut hub = self.shared.hub();
                if hub.hold(account) {
                    return Ok(held());
                }
                hub.position()
            };
            let (projections, reader) = (&state.projections, &state.reader);
            let memberships =
                Memberships::load(projections, reader, account, since, MIN_POSITION_WAIT_MAX).await?;
            if self.shared.hub().follow(account, memberships, since) {
                return Ok(held());
            }
        }
        Err(Code::Overloaded.into())
    }

    /// Counts a socket in, while the result lives.
    fn enter(&self) -> Result<Entered, Problem> {
        let entered = Entered { shared: Arc::clone(&self.shared) };
        let open = self.shared.open.fetch_add(1, Ordering::Relaxed);
        if open < LIVE_CONNECTIONS_MAX { Ok(entered) } else { Err(Code::Overloaded.into()) }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Keeps an account followed.
struct Held {
    shared: Arc<Shared>,
    account: AccountId,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.hub().release(self.account);
    }
}

/// Counts as an open socket.
struct Entered {
    shared: Arc<Shared>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn follow(shared: Arc<Shared>, events: IntCounter) {
    let after = shared.hub().position();
    let mut subscription = shared.feed.subscribe(after);
    loop {
        match subscription.next().await {
            Ok(items) => {
                let mut hub = shared.hub();
                let delivered: usize = items.iter().map(|item| hub.process(item)).sum();
                events.inc_by(u64::try_from(delivered).unwrap_or(u64::MAX));
            }
            Err(error) => {
                tracing::warn!(%error, "live sockets lost the log and try again");
                tokio::time::sleep(crate::limits::RETRY_AFTER).await;
            }
        }
    }
}

async fn beat(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(LIVE_HEARTBEAT_EVERY);
    loop {
        ticks.tick().await;
        shared.hub().tell_cursors();
    }
}
