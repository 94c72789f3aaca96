//! Failed logins: counted, and slowed down. Nobody is locked out by what others do elsewhere.
//!
//! A try counts under what shows where it comes from, its own subject: an address from one network; the device, when the
//! device's key has signed; the session, for a password that is changed in it. Some failures in a row are free there, then
//! each is followed by a pause that doubles. Tries that neither device nor session shows count wider as well: under their
//! network, whatever the address, and under the address, wherever from. A network with too many failures waits; an address with
//! too many leaves fewer free tries to each network, and is never refused as such: a network that has not failed there is
//! always let try. Known and unknown addresses are treated alike.
//!
//! Only what was verified and found wrong counts. A try that is being verified counts for a short time, so that many at once
//! are not all verified before the first of them counts; when the server fails over it, it is given back.

use std::future::Future;

use domain::Timestamp;
use eventstore_schema::database::Pool;
use tokio::runtime::Handle;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// Failures in a row that are free: people mistype, and several devices of one person log in at once.
const FREE_FAILURES: i32 = 10;
/// The same for an address that is being guessed at.
const FREE_FAILURES_GUESSED: i32 = 2;
/// First pause in seconds; each further failure doubles it.
const PAUSE_SECONDS_MIN: i64 = 2;
/// Longest pause in seconds.
const PAUSE_SECONDS_MAX: i64 = 900;
/// After so many seconds without a failure the count starts anew.
const FORGET_SECONDS: i64 = 86_400;
/// How long a try counts that is being verified, in seconds: longer than it takes.
const PENDING_SECONDS: i64 = 10;
/// What a caller waits for whose address is being verified already.
const PENDING_WAIT_SECONDS: i64 = 1;
/// Failures of a network, over all addresses: a hundred, and one more each ten seconds. An office has one address, too.
const NETWORK: Leaky = Leaky { burst: 100, seconds: 10 };
/// Failures of an address, from all networks, from which on it counts as guessed at: more than its owner makes.
const ADDRESS: Leaky = Leaky { burst: 20, seconds: 900 };

// The first try of an address from a network is always free.
const _: () = assert!(FREE_FAILURES_GUESSED > 1 && FREE_FAILURES_GUESSED < FREE_FAILURES);
const _: () = assert!(PAUSE_SECONDS_MIN < PAUSE_SECONDS_MAX && PAUSE_SECONDS_MAX < FORGET_SECONDS);

/// A count that leaks: full at `burst`, one less each `seconds`. It keeps no more than twice its burst.
struct Leaky {
    burst: i32,
    seconds: i64,
}

impl Leaky {
    /// What is left at `now` of a count.
    fn left(&self, count: i32, last: Timestamp, now: Timestamp) -> i32 {
        // Nothing is left of what was counted by a clock that was wrong.
        if last > now.plus_seconds(self.seconds * i64::from(self.most())) {
            return 0;
        }
        let micros = now.as_micros().saturating_sub(last.as_micros()).max(0);
        let leaked = i32::try_from(micros / (self.seconds * 1_000_000)).unwrap_or(i32::MAX);
        count.saturating_sub(leaked).max(0)
    }

    /// Most that it keeps.
    const fn most(&self) -> i32 {
        self.burst * 2
    }

    /// When a count is below the burst again, if nothing is added.
    fn below(&self, count: i32, now: Timestamp) -> Timestamp {
        now.plus_seconds(i64::from(count.saturating_sub(self.burst).saturating_add(1)) * self.seconds)
    }
}

/// The table cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("login attempts cannot be reached while {attempt}: {reason}")]
pub struct AttemptsError {
    /// What was attempted.
    pub attempt: &'static str,
    /// What the database said.
    pub reason: String,
}

/// Under what a try counts: keyed hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subjects {
    /// Where it comes from.
    pub own: [u8; 32],
    /// What it counts under as well, unless a device or session shows where it comes from.
    pub wide: Option<Wide>,
}

/// See [`Subjects::wide`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wide {
    /// The network, where one is known.
    pub network: Option<[u8; 32]>,
    /// The address.
    pub address: [u8; 32],
}

/// What was found when a try began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The password may be verified; what is found is told to [`LoginAttempts::wrong`] or [`LoginAttempts::right`].
    Allowed(Allowed),
    /// It has to wait; it was not counted.
    Paused {
        /// Until when.
        until: Timestamp,
    },
}

/// A try that is being verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    subjects: Subjects,
    free: i32,
}

/// An address that is guessed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guessed {
    /// Failures of late.
    pub failures: u32,
    /// Until when it counts as guessed at, unless more fail.
    pub until: Timestamp,
}

/// Table `write.login_attempts`.
#[derive(Clone)]
pub struct LoginAttempts {
    pool: Pool,
}

impl LoginAttempts {
    /// Over a pool in role `envoi_app`.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Begins a try, before its password is verified.
    ///
    /// # Errors
    /// When the table cannot be reached: the login is to be refused then.
    pub async fn begin(&self, subjects: Subjects, now: Timestamp) -> Result<Begun, AttemptsError> {
        let mut free = FREE_FAILURES;
        if let Some(wide) = &subjects.wide {
            let (network, address) = self.wide(wide, now).await?;
            if network >= NETWORK.burst {
                return Ok(Begun::Paused { until: NETWORK.below(network, now) });
            }
            if address >= ADDRESS.burst {
                free = FREE_FAILURES_GUESSED;
            }
        }
        let pending_until = now.plus_seconds(PENDING_SECONDS).as_micros();
        let forget = now.plus_seconds(-FORGET_SECONDS).as_micros();
        let (failed_max, paused_max) = furthest(now);
        let sql = include_str!("../../sql/try_login.sql");
        let values: [&(dyn ToSql + Sync); 7] = [
            &subjects.own.as_slice(),
            &now.as_micros(),
            &pending_until,
            &forget,
            &free,
            &failed_max.as_micros(),
            &paused_max.as_micros(),
        ];
        if !self.query("beginning a login", sql, &values).await?.is_empty() {
            return Ok(Begun::Allowed(Allowed { subjects, free }));
        }
        let sql = "SELECT paused_until FROM write.login_attempts WHERE subject = $1";
        let found = self.query("reading a pause", sql, &[&subjects.own.as_slice()]).await?;
        let paused = found.first().map(|row| number(row, 0)).transpose()?;
        let soonest = now.plus_seconds(PENDING_WAIT_SECONDS);
        let until = paused.map(Timestamp::from_micros).filter(|until| *until <= paused_max);
        Ok(Begun::Paused { until: until.unwrap_or(soonest).max(soonest) })
    }

    /// The counts of network and address at `now`.
    async fn wide(&self, wide: &Wide, now: Timestamp) -> Result<(i32, i32), AttemptsError> {
        let sql = "SELECT subject, failures, last_failure_at FROM write.login_attempts \
                   WHERE subject IN ($1, $2)";
        let network = wide.network.unwrap_or(wide.address);
        let rows =
            self.query("reading failures", sql, &[&network.as_slice(), &wide.address.as_slice()]).await?;
        let mut counts = (0, 0);
        for row in rows {
            let subject: &[u8] = row.try_get(0).map_err(unreadable)?;
            let failures: i32 = row.try_get(1).map_err(unreadable)?;
            let last = Timestamp::from_micros(number(&row, 2)?);
            if subject == wide.address {
                counts.1 = ADDRESS.left(failures, last, now);
            } else {
                counts.0 = NETWORK.left(failures, last, now);
            }
        }
        Ok(counts)
    }

    /// Counts a try whose password was wrong; tells whether the address counts as guessed at.
    ///
    /// # Errors
    /// When the table cannot be reached: the login is not to be told what was found then.
    pub async fn wrong(&self, tried: &Allowed, now: Timestamp) -> Result<Option<Guessed>, AttemptsError> {
        let (min, max) = (PAUSE_SECONDS_MIN * 1_000_000, PAUSE_SECONDS_MAX * 1_000_000);
        let sql = include_str!("../../sql/fail_login.sql");
        let (failed_max, paused_max) = furthest(now);
        let values: [&(dyn ToSql + Sync); 7] = [
            &tried.subjects.own.as_slice(),
            &now.as_micros(),
            &tried.free,
            &min,
            &max,
            &failed_max.as_micros(),
            &paused_max.as_micros(),
        ];
        self.query("counting a failure", sql, &values).await?;
        let Some(wide) = &tried.subjects.wide else { return Ok(None) };
        if let Some(network) = &wide.network {
            self.count(network, &NETWORK, now).await?;
        }
        let failures = self.count(&wide.address, &ADDRESS, now).await?;
        let until = ADDRESS.below(failures, now);
        Ok((failures >= ADDRESS.burst).then_some(Guessed { failures: failures.unsigned_abs(), until }))
    }

    async fn count(&self, subject: &[u8; 32], leaky: &Leaky, now: Timestamp) -> Result<i32, AttemptsError> {
        let sql = include_str!("../../sql/count_failure.sql");
        let (leak, most) = (leaky.seconds * 1_000_000, leaky.most());
        let rows = self
            .query("counting a failure", sql, &[&subject.as_slice(), &now.as_micros(), &leak, &most])
            .await?;
        rows.first().map_or(Ok(0), |row| row.try_get(0).map_err(unreadable))
    }

    /// Forgets the failures of where a try comes from, after one whose password was right.
    ///
    /// # Errors
    /// When the table cannot be reached; the count then runs out by itself.
    pub async fn right(&self, own: &[u8; 32]) -> Result<(), AttemptsError> {
        let sql = "DELETE FROM write.login_attempts WHERE subject = $1";
        self.query("forgetting failures", sql, &[&own.as_slice()]).await?;
        Ok(())
    }

    /// Verifies a try. Where that fails it is given back; so it is when whoever waits goes away, whose time was used up by
    /// something that hangs.
    ///
    /// # Errors
    /// Those of `verifying`.
    pub async fn verified<T, E>(
        &self,
        tried: &Allowed,
        verifying: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut going_away = GoingAway { attempts: self, tried: Some(*tried) };
        let verified = verifying.await;
        going_away.tried = None;
        if verified.is_err() {
            self.give_back(tried).await;
        }
        verified
    }

    /// Gives back a try that was not verified. Where the table cannot be reached, it gives itself back after a time.
    async fn give_back(&self, tried: &Allowed) {
        let sql = "UPDATE write.login_attempts SET pending = greatest(pending - 1, 0) WHERE subject = $1";
        if let Err(error) = self.query("giving a try back", sql, &[&tried.subjects.own.as_slice()]).await {
            tracing::debug!(%error, "a login that was not verified counts for some seconds");
        }
    }

    async fn query(
        &self,
        attempt: &'static str,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, AttemptsError> {
        let failed = |error: tokio_postgres::Error| {
            let reason =
                error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
            AttemptsError { attempt, reason }
        };
        let client =
            self.pool.get().await.map_err(|error| AttemptsError { attempt, reason: error.to_string() })?;
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        client.query(&statement, values).await.map_err(failed)
    }
}

/// Gives a try back, unless it is done with before.
struct GoingAway<'a> {
    attempts: &'a LoginAttempts,
    tried: Option<Allowed>,
}

impl Drop for GoingAway<'_> {
    fn drop(&mut self) {
        if let (Some(tried), Ok(runtime)) = (self.tried.take(), Handle::try_current()) {
            let attempts = self.attempts.clone();
            runtime.spawn(async move { attempts.give_back(&tried).await });
        }
    }
}

/// How far ahead of `now` a failure and the end of a pause may lie, as clocks differ. What lies further was written by a clock
/// that was wrong, and counts as past: nobody is kept out for years by it.
fn furthest(now: Timestamp) -> (Timestamp, Timestamp) {
    (now.plus_seconds(PAUSE_SECONDS_MAX), now.plus_seconds(2 * PAUSE_SECONDS_MAX))
}

fn number(row: &Row, column: usize) -> Result<i64, AttemptsError> {
    row.try_get(column).map_err(unreadable)
}

fn unreadable(error: tokio_postgres::Error) -> AttemptsError {
    AttemptsError { attempt: "reading an answer", reason: error.to_string() }
}

#[cfg(test)]
mod tests;
