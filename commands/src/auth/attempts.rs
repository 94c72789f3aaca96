//! Failed logins: counted by the address that was tried, known or not, so that both are slowed down alike.

use deadpool_postgres::Pool;
use domain::Timestamp;

/// Failures in a row that are free: people mistype.
const FREE_FAILURES: u32 = 5;
/// First lock in seconds; each further failure doubles it.
const LOCK_SECONDS_MIN: i64 = 30;
/// Longest lock in seconds: an attacker can delay a victim's login, not prevent it for good.
const LOCK_SECONDS_MAX: i64 = 3_600;
/// After so many seconds without a failure the count starts anew.
const FORGET_SECONDS: i64 = 86_400;

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

/// Until when `failures` in a row, the last one `now`, lock.
pub fn lock_after(failures: u32, now: Timestamp) -> Option<Lock> {
    let beyond = failures.checked_sub(FREE_FAILURES)?;
    let seconds = LOCK_SECONDS_MIN.saturating_mul(1_i64.checked_shl(beyond.min(16)).unwrap_or(i64::MAX));
    Some(Lock { failures, until: now.plus_seconds(seconds.min(LOCK_SECONDS_MAX)) })
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

    /// Until when logins for the address are refused, if that lies after `now`.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn locked(
        &self,
        address: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, AttemptsError> {
        let row = self
            .query(
                "reading a lock",
                "SELECT locked_until FROM write.login_attempts WHERE subject = $1 AND locked_until > $2",
                &[&address.as_slice(), &now.as_micros()],
            )
            .await?;
        Ok(row.map(Timestamp::from_micros))
    }

    /// Counts a failure; gives the lock that it begins, if it does. Concurrent failures each count.
    ///
    /// # Errors
    /// When the table cannot be reached: the login is to be refused then.
    pub async fn failed(&self, address: &[u8; 32], now: Timestamp) -> Result<Option<Lock>, AttemptsError> {
        let forget = now.plus_seconds(-FORGET_SECONDS).as_micros();
        let failures = self
            .query(
                "counting a failure",
                include_str!("../../sql/count_login_failure.sql"),
                &[&address.as_slice(), &now.as_micros(), &forget],
            )
            .await?
            .and_then(|failures| u32::try_from(failures).ok())
            .unwrap_or(1);
        let lock = lock_after(failures, now);
        if let Some(lock) = lock {
            self.query(
                "locking",
                "UPDATE write.login_attempts SET locked_until = greatest(locked_until, $2) WHERE subject = $1
                 RETURNING locked_until",
                &[&address.as_slice(), &lock.until.as_micros()],
            )
            .await?;
        }
        Ok(lock)
    }

    /// Forgets failures after a login that succeeded.
    ///
    /// # Errors
    /// When the table cannot be reached; the count then runs out by itself.
    pub async fn succeeded(&self, address: &[u8; 32]) -> Result<(), AttemptsError> {
        self.query(
            "forgetting failures",
            "DELETE FROM write.login_attempts WHERE subject = $1 RETURNING locked_until",
            &[&address.as_slice()],
        )
        .await?;
        Ok(())
    }

    async fn query(
        &self,
        attempt: &'static str,
        sql: &'static str,
        values: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<Option<i64>, AttemptsError> {
        let failed = |error: &tokio_postgres::Error| {
            let reason =
                error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
            AttemptsError { attempt, reason }
        };
        let client =
            self.pool.get().await.map_err(|error| AttemptsError { attempt, reason: error.to_string() })?;
        let statement = client.prepare_cached(sql).await.map_err(|error| failed(&error))?;
        let row = client.query_opt(&statement, values).await.map_err(|error| failed(&error))?;
        row.map(|row| row.try_get(0)).transpose().map_err(|error| failed(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(0);

    #[test]
    fn the_first_failures_are_free_then_locks_double_up_to_an_hour() {
        let seconds = |failures| lock_after(failures, NOW).map(|lock| lock.until.as_micros() / 1_000_000);
        assert_eq!(seconds(FREE_FAILURES - 1), None);
        assert_eq!(seconds(FREE_FAILURES), Some(30));
        assert_eq!(seconds(FREE_FAILURES + 1), Some(60));
        assert_eq!(seconds(FREE_FAILURES + 3), Some(240));
        assert_eq!(seconds(u32::MAX), Some(LOCK_SECONDS_MAX));
    }

    #[tokio::test]
    async fn failures_lock_an_address_and_success_forgets_them() {
        let database = crate::testing::database().await;
        let attempts = LoginAttempts::new(database.pool(eventstore_schema::database::Role::App));
        let address = [3; 32];
        for _ in 1..FREE_FAILURES {
            assert_eq!(attempts.failed(&address, NOW).await.unwrap(), None);
        }
        let lock = attempts.failed(&address, NOW).await.unwrap().unwrap();
        assert_eq!(lock.failures, FREE_FAILURES);
        assert_eq!(attempts.locked(&address, NOW).await.unwrap(), Some(lock.until));
        assert_eq!(attempts.locked(&address, lock.until).await.unwrap(), None);
        assert_eq!(attempts.locked(&[4; 32], NOW).await.unwrap(), None);
        attempts.succeeded(&address).await.unwrap();
        assert_eq!(attempts.failed(&address, NOW).await.unwrap(), None);
    }

    #[tokio::test]
    async fn old_failures_do_not_count() {
        let database = crate::testing::database().await;
        let attempts = LoginAttempts::new(database.pool(eventstore_schema::database::Role::App));
        for _ in 0..FREE_FAILURES {
            attempts.failed(&[3; 32], NOW).await.unwrap();
        }
        assert_eq!(attempts.failed(&[3; 32], NOW.plus_seconds(FORGET_SECONDS + 1)).await.unwrap(), None);
    }
}
