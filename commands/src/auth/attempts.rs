//! Failed logins: counted by the address that was tried, known or not, so that both are slowed down alike.
//!
//! A try is counted before the password is verified and taken back when it was right: otherwise many tries at once would all
//! be verified before the first of them counts.

use domain::Timestamp;
use eventstore_schema::database::Pool;

/// Tries in a row that are free: people mistype, and several devices of one person log in at once.
const FREE_FAILURES: i32 = 10;
/// First lock in seconds; each further failure doubles it.
const LOCK_SECONDS_MIN: i64 = 30;
/// Longest lock in seconds: an attacker can delay a victim's login, not prevent it for good.
const LOCK_SECONDS_MAX: i64 = 3_600;
/// After so many seconds without a failure the count starts anew.
const FORGET_SECONDS: i64 = 86_400;

// The first try of an address is always free.
const _: () = assert!(FREE_FAILURES > 1 && LOCK_SECONDS_MIN < LOCK_SECONDS_MAX);

/// The table cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("login attempts cannot be reached while {attempt}: {reason}")]
pub struct AttemptsError {
    /// What was attempted.
    pub attempt: &'static str,
    /// What the database said.
    pub reason: String,
}

/// A lock that a failure began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Failures in a row.
    pub failures: u32,
    /// Until when logins are refused.
    pub until: Timestamp,
}

/// What was found when a try was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// The password may be verified. If it is wrong, `lock` begins.
    Allowed {
        /// The lock for whoever comes next.
        lock: Option<Lock>,
    },
    /// Logins are refused; this one was not counted.
    Locked {
        /// Until when.
        until: Timestamp,
    },
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

    /// Counts a try before its password is verified. Concurrent ones each count.
    ///
    /// # Errors
    /// When the table cannot be reached: the login is to be refused then.
    pub async fn charge(&self, subject: &[u8; 32], now: Timestamp) -> Result<Charge, AttemptsError> {
        let forget = now.plus_seconds(-FORGET_SECONDS).as_micros();
        let counted = self
            .query(
                "counting a login",
                include_str!("../../sql/count_login_attempt.sql"),
                &[
                    &subject.as_slice(),
                    &now.as_micros(),
                    &forget,
                    &FREE_FAILURES,
                    &(LOCK_SECONDS_MIN * 1_000_000),
                    &(LOCK_SECONDS_MAX * 1_000_000),
                ],
            )
            .await?;
        if let Some((failures, until)) = counted {
            let until = Timestamp::from_micros(until);
            let failures = failures.unsigned_abs();
            return Ok(Charge::Allowed { lock: (until > now).then_some(Lock { failures, until }) });
        }
        let sql = "SELECT failures, locked_until FROM write.login_attempts WHERE subject = $1";
        let found = self.query("reading a lock", sql, &[&subject.as_slice()]).await?;
        Ok(Charge::Locked { until: found.map_or(now, |(_, until)| Timestamp::from_micros(until)) })
    }

    /// Forgets failures after a login that succeeded.
    ///
    /// # Errors
    /// When the table cannot be reached; the count then runs out by itself.
    pub async fn succeeded(&self, subject: &[u8; 32]) -> Result<(), AttemptsError> {
        self.query(
            "forgetting failures",
            "DELETE FROM write.login_attempts WHERE subject = $1 RETURNING failures, locked_until",
            &[&subject.as_slice()],
        )
        .await?;
        Ok(())
    }

    async fn query(
        &self,
        attempt: &'static str,
        sql: &'static str,
        values: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<Option<(i32, i64)>, AttemptsError> {
        let failed = |error: &tokio_postgres::Error| {
            let reason =
                error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
            AttemptsError { attempt, reason }
        };
        let client =
            self.pool.get().await.map_err(|error| AttemptsError { attempt, reason: error.to_string() })?;
        let statement = client.prepare_cached(sql).await.map_err(|error| failed(&error))?;
        let row = client.query_opt(&statement, values).await.map_err(|error| failed(&error))?;
        row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .transpose()
            .map_err(|error: tokio_postgres::Error| failed(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(0);

    async fn attempts(database: &eventstore_schema::testing::TestDatabase) -> LoginAttempts {
        LoginAttempts::new(database.pool(eventstore_schema::database::Role::App))
    }

    #[tokio::test]
    async fn tries_lock_an_address_and_success_forgets_them() {
        let database = crate::testing::database().await;
        let attempts = attempts(&database).await;
        let address = [3; 32];
        for _ in 1..FREE_FAILURES {
            assert_eq!(attempts.charge(&address, NOW).await.unwrap(), Charge::Allowed { lock: None });
        }
        let last = attempts.charge(&address, NOW).await.unwrap();
        let Charge::Allowed { lock: Some(lock) } = last else { panic!("{last:?}") };
        assert_eq!((lock.failures, lock.until), (10, NOW.plus_seconds(LOCK_SECONDS_MIN)));
        let until = lock.until;
        assert_eq!(attempts.charge(&address, NOW).await.unwrap(), Charge::Locked { until });
        assert_eq!(attempts.charge(&[4; 32], NOW).await.unwrap(), Charge::Allowed { lock: None });
        let after = attempts.charge(&address, until).await.unwrap();
        let doubled = Lock { failures: 11, until: until.plus_seconds(2 * LOCK_SECONDS_MIN) };
        assert_eq!(after, Charge::Allowed { lock: Some(doubled) });
        attempts.succeeded(&address).await.unwrap();
        assert_eq!(attempts.charge(&address, NOW).await.unwrap(), Charge::Allowed { lock: None });
    }

    #[tokio::test]
    async fn tries_at_once_are_not_all_let_through() {
        let database = crate::testing::database().await;
        let attempts = attempts(&database).await;
        let address = [3; 32];
        let tries = (0..FREE_FAILURES * 4).map(|_| attempts.charge(&address, NOW));
        let charges = futures_util::future::try_join_all(tries).await.unwrap();
        let allowed = charges.iter().filter(|charge| matches!(charge, Charge::Allowed { .. })).count();
        assert_eq!(allowed, FREE_FAILURES.unsigned_abs() as usize);
    }

    #[tokio::test]
    async fn a_lock_grows_up_to_an_hour() {
        let database = crate::testing::database().await;
        let attempts = attempts(&database).await;
        let (mut now, mut seconds) = (NOW, Vec::new());
        for _ in 0..FREE_FAILURES + 9 {
            if let Charge::Allowed { lock: Some(lock) } = attempts.charge(&[3; 32], now).await.unwrap() {
                seconds.push((lock.until.as_micros() - now.as_micros()) / 1_000_000);
                now = lock.until;
            }
        }
        assert_eq!(seconds, [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]);
    }

    #[tokio::test]
    async fn old_tries_do_not_count() {
        let database = crate::testing::database().await;
        let attempts = attempts(&database).await;
        for _ in 1..FREE_FAILURES {
            attempts.charge(&[3; 32], NOW).await.unwrap();
        }
        let later = NOW.plus_seconds(FORGET_SECONDS + 1);
        assert_eq!(attempts.charge(&[3; 32], later).await.unwrap(), Charge::Allowed { lock: None });
    }

    #[tokio::test]
    async fn what_is_long_past_makes_room() {
        let database = crate::testing::database().await;
        let attempts = attempts(&database).await;
        for number in 0..4 {
            attempts.charge(&[number; 32], NOW).await.unwrap();
        }
        attempts.charge(&[9; 32], NOW.plus_seconds(FORGET_SECONDS + 1)).await.unwrap();
        let client = database.client().await;
        let count: i64 =
            client.query_one("SELECT count(*) FROM write.login_attempts", &[]).await.unwrap().get(0);
        assert!(count < 5, "{count}");
    }
}
