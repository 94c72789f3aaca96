//! Leases: what one process at a time may do, held by whoever renews in time, in PostgreSQL whichever engine keeps the log.
//!
//! # What holds
//!
//! - Among all processes one at a time holds a lease. A holder that hangs, sleeps or has vanished loses it within
//!   [`DEAD_AFTER`] by the database's clock; one whose connection ended loses it at once.
//! - Each taker raises the epoch and ends the old holder's backend. What a holder writes goes in a transaction that asks
//!   `lease.hold` ([`Lease::check_sql`]) for its epoch: a holder that was suspended and wakes commits nothing.
//! - What has an effect outside the database begins only while [`Lease::is_valid`] says so. The lease is trusted for less time
//!   than anybody else has to wait for it, counted on this machine from before its last renewal was asked for.
//!
//! What is under way when a holder is suspended (an e-mail half sent) may be done twice: once by its successor, once when it
//! wakes.

mod clock;
mod keeper;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error};

use crate::database::Config;
pub use clock::Boottime;

/// How often a holder renews: twice before anybody else doubts it.
pub const RENEW_EVERY: Duration = Duration::from_secs(2);
/// After how long without renewal a lease is anybody's; `lease.is_held` says the same.
pub const DEAD_AFTER: Duration = Duration::from_secs(6);
/// How long a holder trusts its lease: less than [`DEAD_AFTER`], by more than the clocks of two machines drift meanwhile.
pub const TRUSTED_FOR: Duration = Duration::from_secs(5);
/// How long what has to be led may be without a holder before it shows as not ready: a takeover ends sooner.
pub const LEADERLESS_AFTER: Duration = Duration::from_secs(10);
/// SQLSTATE of `lease.hold` for an epoch that is over.
pub const LOST: &str = "EV001";

const _: () = assert!(TRUSTED_FOR.as_secs() > 2 * RENEW_EVERY.as_secs());
const _: () = assert!(DEAD_AFTER.as_secs() > TRUSTED_FOR.as_secs());
const _: () = assert!(LEADERLESS_AFTER.as_secs() > DEAD_AFTER.as_secs());

/// The leases of this process, renewed together over a connection of their own. Clones share everything; renewing ends with the
/// last.
#[derive(Clone)]
pub struct Leases {
    shared: Arc<Shared>,
    _keeper: Arc<Keeper>,
}

/// Ends the task with the last of those who use it.
struct Keeper(JoinHandle<()>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Shared {
    config: Config,
    clock: Boottime,
    /// This process, for people.
    who: String,
    table: Mutex<Table>,
    /// Something is held or watched now.
    used: Notify,
}

#[derive(Default)]
struct Table {
    held: Vec<Weak<Held>>,
    /// Leases that somebody has to hold, and when somebody was last seen to.
    watched: HashMap<String, u64>,
}

/// What became of an attempt to take a lease.
#[derive(Debug)]
pub enum Taken {
    /// It is ours.
    Ours(Lease),
    /// It is the named holder's.
    Theirs(String),
}

impl Leases {
    /// Leases in the database at `config`. Connects when there is something to renew.
    pub fn start(config: &Config) -> Self {
        Self::start_with(config, Boottime::system())
    }

    /// The same by another clock.
    pub fn start_with(config: &Config, clock: Boottime) -> Self {
        let node = rustix::system::uname();
        let who = format!("{}:{}", node.nodename().to_string_lossy(), std::process::id());
        let (table, used) = (Mutex::default(), Notify::new());
        let shared = Arc::new(Shared { config: config.clone(), clock, who, table, used });
        let keeper = tokio::spawn(keeper::run(Arc::clone(&shared)));
        Self { shared, _keeper: Arc::new(Keeper(keeper)) }
    }

    /// Takes a lease for `client`, unless it is somebody's. Whoever takes it over ends that connection: everything that the
    /// lease is about has to be written through it.
    ///
    /// # Errors
    /// When the database does not answer, or what the holder before has under way does not end yet: try again.
    pub async fn take(&self, client: &Client, name: &str) -> Result<Taken, Error> {
        // From before it was asked for: the answer may take any time.
        let asked_at = self.shared.clock.millis();
        let sql = "SELECT o_epoch, o_holder FROM lease.take($1, $2)";
        let row = client.query_one(sql, &[&name, &self.shared.who]).await?;
        let Some(epoch) = row.try_get::<_, Option<i64>>(0)? else {
            return Ok(Taken::Theirs(row.try_get(1)?));
        };
        let held = Arc::new(Held {
            name: name.to_owned(),
            epoch,
            clock: self.shared.clock.clone(),
            confirmed_at: AtomicU64::new(asked_at),
            lost: watch::Sender::new(false),
        });
        self.shared.table().held.push(Arc::downgrade(&held));
        self.shared.used.notify_one();
        Ok(Taken::Ours(Lease(held)))
    }

    /// From now on this process cares that somebody holds the lease; it counts as seen held now.
    pub fn watch(&self, name: &str) {
        let now = self.shared.clock.millis();
        self.shared.table().watched.entry(name.to_owned()).or_insert(now);
        self.shared.used.notify_one();
    }

    /// The leases that are watched, each with whether somebody held it within [`LEADERLESS_AFTER`].
    pub fn watched(&self) -> BTreeMap<String, bool> {
        let is_led = |seen: u64| self.shared.clock.since(seen) < LEADERLESS_AFTER;
        self.shared.table().watched.iter().map(|(name, seen)| (name.clone(), is_led(*seen))).collect()
    }
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases").field("who", &self.shared.who).finish_non_exhaustive()
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing in there is left half done by a panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lease that this process took. Clones are the same one; it is renewed until the last is dropped.
#[derive(Clone)]
pub struct Lease(Arc<Held>);

struct Held {
    name: String,
    epoch: i64,
    clock: Boottime,
    /// When the last renewal that succeeded was asked for.
    confirmed_at: AtomicU64,
    lost: watch::Sender<bool>,
}

impl Held {
    fn is_trusted(&self) -> bool {
        self.clock.since(self.confirmed_at.load(Ordering::SeqCst)) < TRUSTED_FOR
    }

    fn lose(&self) {
        if !self.lost.send_replace(true) {
            tracing::info!(lease = self.name, epoch = self.epoch, "a lease is lost");
        }
    }
}

impl Lease {
    /// What it is a lease of.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its number among all leases of that name.
    pub fn epoch(&self) -> i64 {
        self.0.epoch
    }

    /// Whether nobody else can hold it at this moment. To be asked right before anything begins that no transaction can
    /// refuse.
    pub fn is_valid(&self) -> bool {
        !*self.0.lost.borrow() && self.0.is_trusted()
    }

    /// Gives it up for lost: a transaction was refused.
    pub fn lose(&self) {
        self.0.lose();
    }

    /// Ends when the lease is lost: somebody else has it, its connection is gone, or it could not be renewed in time.
    pub async fn lost(&self) {
        // The sender is in here and lives.
        let _ = self.0.lost.subscribe().wait_for(|lost| *lost).await;
    }

    /// The statement that a transaction begins with: it fails with [`LOST`] when the lease is somebody else's.
    pub fn check_sql(&self) -> String {
        format!("SELECT lease.hold('{}', {})", self.0.name.replace('\'', "''"), self.0.epoch)
    }

    /// Gives it back. Otherwise it ends with its connection, once the server notices that.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn give_back(self, client: &Client) -> Result<(), Error> {
        self.0.lost.send_replace(true);
        client.execute("SELECT lease.give_back($1, $2)", &[&self.0.name, &self.0.epoch]).await.map(|_| ())
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at epoch {}", self.0.name, self.0.epoch)
    }
}

/// Whether a transaction was refused because its lease is somebody else's.
pub fn is_lost(error: &Error) -> bool {
    error.code().is_some_and(|code| code.code() == LOST)
}

/// Who holds what, by name of the lease: the same from every process.
///
/// # Errors
/// When the database does not answer.
pub async fn holders(client: &Client) -> Result<BTreeMap<String, String>, Error> {
    let rows = client.query("SELECT o_name, o_holder FROM lease.holders()", &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
