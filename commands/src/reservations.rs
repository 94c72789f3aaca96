//! Uniqueness across streams: something is reserved before the event that takes it, under a blind index.
//!
//! Reserve, append, confirm. A crash leaves a pending row: a retry of the same command takes it up again; another command may
//! take it over once it expired and its owner turns out not to exist.

use domain::{CommandId, Timestamp};
use eventstore_schema::database::Pool;
use uuid::Uuid;

/// What is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationKind {
    /// An account's e-mail address; the owner is the account.
    Email,
}

impl ReservationKind {
    const fn code(self) -> i16 {
        match self {
            ReservationKind::Email => 1,
        }
    }
}

/// How long a pending reservation is its command's alone, in seconds: far longer than any append may take.
pub const PENDING_SECONDS: i64 = 600;
/// How far ahead a pending one may expire, as clocks differ, in seconds. One that is to expire later was written by a clock that was
/// wrong, and counts as expired: an address must not be kept for years.
const PENDING_SECONDS_AHEAD: i64 = 2 * PENDING_SECONDS;

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Who has it.
    pub owner: Uuid,
    /// The command that reserved it.
    pub command_id: CommandId,
    /// Whether the owner is known to exist.
    pub confirmed: bool,
    /// Until when a pending one is its command's alone.
    pub expires_at: Timestamp,
}

impl Reservation {
    /// Whether it is its command's alone at `now`, if it is not confirmed.
    pub fn is_pending(&self, now: Timestamp) -> bool {
        now < self.expires_at && self.expires_at <= now.plus_seconds(PENDING_SECONDS_AHEAD)
    }
}

/// What reserving found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It is the command's now, or was before.
    Granted,
    /// Somebody else has it.
    Taken(Reservation),
}

/// The table cannot be reached or refuses.
#[derive(Debug, thiserror::Error)]
#[error("reservations cannot be reached while {attempt}: {reason}")]
pub struct ReservationError {
    /// What was attempted.
    pub attempt: &'static str,
    /// What the database said.
    pub reason: String,
}

/// Table `write.reservations`.
#[derive(Clone)]
pub struct Reservations {
    pool: Pool,
}

impl Reservations {
    /// Over a pool in role `envoi_app`.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Reserves for `owner`, or finds who has it. A retry with the same command id is granted again.
    ///
    /// # Errors
    /// When the table cannot be reached; repeating is safe.
    pub async fn reserve(
        &self,
        kind: ReservationKind,
        blind_index: &[u8; 32],
        owner: Uuid,
        command_id: CommandId,
        now: Timestamp,
    ) -> Result<Reserved, ReservationError> {
        let attempt = "reserving";
        let client = self.client(attempt).await?;
        let expires_at = now.plus_seconds(PENDING_SECONDS).as_micros();
        let insert = client
            .prepare_cached(include_str!("../sql/reserve.sql"))
            .await
            .map_err(|e| failed(attempt, &e))?;
        let index = blind_index.as_slice();
        client
            .execute(&insert, &[&kind.code(), &index, &owner, &command_id.as_uuid(), &expires_at])
            .await
            .map_err(|error| failed(attempt, &error))?;
        // Given back before the next one is taken: callers that each hold one and wait for another would wait for ever.
        drop(client);
        let found = self.find(kind, blind_index).await?;
        match found {
            Some(row) if row.command_id == command_id => Ok(Reserved::Granted),
            Some(row) => Ok(Reserved::Taken(row)),
            // Released between the two statements: a retry finds it free.
            None => Err(ReservationError { attempt, reason: "it was released meanwhile".to_owned() }),
        }
    }

    /// Takes over a pending, expired reservation whose owner is known not to exist. `false`: somebody was faster.
    ///
    /// # Errors
    /// When the table cannot be reached; repeating is safe.
    pub async fn take_over(
        &self,
        kind: ReservationKind,
        blind_index: &[u8; 32],
        from: &Reservation,
        owner: Uuid,
        command_id: CommandId,
        now: Timestamp,
    ) -> Result<bool, ReservationError> {
        let expires_at = now.plus_seconds(PENDING_SECONDS).as_micros();
        self.change(
            "taking over a reservation",
            "UPDATE write.reservations SET owner = $3, command_id = $4, expires_at = $5
             WHERE kind = $1 AND blind_index = $2 AND command_id = $6 AND NOT confirmed
                 AND (expires_at <= $7 OR expires_at > $8)",
            &[
                &kind.code(),
                &blind_index.as_slice(),
                &owner,
                &command_id.as_uuid(),
                &expires_at,
                &from.command_id.as_uuid(),
                &now.as_micros(),
                &now.plus_seconds(PENDING_SECONDS_AHEAD).as_micros(),
            ],
        )
        .await
    }

    /// Marks that the owner exists. `false`: the reservation is not the owner's any more.
    ///
    /// # Errors
    /// When the table cannot be reached; repeating is safe.
    pub async fn confirm(
        &self,
        kind: ReservationKind,
        blind_index: &[u8; 32],
        owner: Uuid,
    ) -> Result<bool, ReservationError> {
        self.change(
            "confirming a reservation",
            "UPDATE write.reservations SET confirmed = true WHERE kind = $1 AND blind_index = $2 AND owner = $3",
            &[&kind.code(), &blind_index.as_slice(), &owner],
        )
        .await
    }

    /// Frees a pending reservation of a command that turned out not to take effect.
    ///
    /// # Errors
    /// When the table cannot be reached; it then expires by itself.
    pub async fn release(
        &self,
        kind: ReservationKind,
        blind_index: &[u8; 32],
        command_id: CommandId,
    ) -> Result<bool, ReservationError> {
        self.change(
            "releasing a reservation",
            "DELETE FROM write.reservations WHERE kind = $1 AND blind_index = $2 AND command_id = $3 AND NOT confirmed",
            &[&kind.code(), &blind_index.as_slice(), &command_id.as_uuid()],
        )
        .await
    }

    /// Who has it.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn find(
        &self,
        kind: ReservationKind,
        blind_index: &[u8; 32],
    ) -> Result<Option<Reservation>, ReservationError> {
        let attempt = "looking up a reservation";
        let client = self.client(attempt).await?;
        let select = client
            .prepare_cached(
                "SELECT owner, command_id, confirmed, expires_at FROM write.reservations WHERE kind = $1 AND blind_index = $2",
            )
            .await
            .map_err(|error| failed(attempt, &error))?;
        let row = client
            .query_opt(&select, &[&kind.code(), &blind_index.as_slice()])
            .await
            .map_err(|error| failed(attempt, &error))?;
        row.map(|row| {
            Ok(Reservation {
                owner: row.try_get(0)?,
                command_id: CommandId::from(row.try_get::<_, Uuid>(1)?),
                confirmed: row.try_get(2)?,
                expires_at: Timestamp::from_micros(row.try_get(3)?),
            })
        })
        .transpose()
        .map_err(|error: tokio_postgres::Error| failed(attempt, &error))
    }

    /// Restores a confirmed reservation from the log; one that is there already stays.
    ///
    /// # Errors
    /// When the table cannot be reached; repeating is safe.
    pub async fn restore(
        &self,
        kind: ReservationKind,
        blind_index: &[u8; 32],
        owner: Uuid,
        command_id: CommandId,
    ) -> Result<bool, ReservationError> {
        self.change(
            "restoring a reservation",
            "INSERT INTO write.reservations (kind, blind_index, owner, command_id, confirmed, expires_at)
             VALUES ($1, $2, $3, $4, true, 0) ON CONFLICT (kind, blind_index) DO NOTHING",
            &[&kind.code(), &blind_index.as_slice(), &owner, &command_id.as_uuid()],
        )
        .await
    }

    async fn change(
        &self,
        attempt: &'static str,
        sql: &'static str,
        values: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<bool, ReservationError> {
        let client = self.client(attempt).await?;
        let statement = client.prepare_cached(sql).await.map_err(|error| failed(attempt, &error))?;
        let changed = client.execute(&statement, values).await.map_err(|error| failed(attempt, &error))?;
        Ok(changed == 1)
    }

    async fn client(
        &self,
        attempt: &'static str,
    ) -> Result<eventstore_schema::database::Connection, ReservationError> {
        self.pool.get().await.map_err(|error| ReservationError { attempt, reason: error.to_string() })
    }
}

fn failed(attempt: &'static str, error: &tokio_postgres::Error) -> ReservationError {
    // The database's own text only: its detail would quote the row.
    let reason = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    ReservationError { attempt, reason }
}

#[cfg(test)]
mod tests {
    use eventstore_schema::database::Role;

    use super::*;
    use crate::testing;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);
    const INDEX: [u8; 32] = [5; 32];

    fn command(number: u8) -> CommandId {
        CommandId::from_bytes([number; 16])
    }

    fn owner(number: u8) -> Uuid {
        Uuid::from_bytes([number; 16])
    }

    async fn reserve(reservations: &Reservations, number: u8) -> Reserved {
        reservations
            .reserve(ReservationKind::Email, &INDEX, owner(number), command(number), NOW)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn the_first_command_gets_it_and_its_retry_gets_it_again() {
        let database = testing::database().await;
        let reservations = Reservations::new(database.pool(Role::App));
        assert_eq!(reserve(&reservations, 1).await, Reserved::Granted);
        assert_eq!(reserve(&reservations, 1).await, Reserved::Granted);
        assert!(matches!(reserve(&reservations, 2).await, Reserved::Taken(row) if row.owner == owner(1)));
        assert!(reservations.confirm(ReservationKind::Email, &INDEX, owner(1)).await.unwrap());
        assert!(!reservations.confirm(ReservationKind::Email, &INDEX, owner(2)).await.unwrap());
        assert_eq!(reserve(&reservations, 1).await, Reserved::Granted);
    }

    #[tokio::test]
    async fn only_one_of_many_at_once_gets_it() {
        let database = testing::database().await;
        let reservations = Reservations::new(database.pool(Role::App));
        let tries =
            futures_util::future::join_all((1..=8).map(|number| reserve(&reservations, number))).await;
        assert_eq!(tries.iter().filter(|one| **one == Reserved::Granted).count(), 1);
    }

    #[tokio::test]
    async fn only_an_expired_pending_one_is_taken_over() {
        let database = testing::database().await;
        let reservations = Reservations::new(database.pool(Role::App));
        reserve(&reservations, 1).await;
        let Reserved::Taken(row) = reserve(&reservations, 2).await else { panic!("taken") };
        let take = async |now: Timestamp| {
            let kind = ReservationKind::Email;
            reservations.take_over(kind, &INDEX, &row, owner(2), command(2), now).await.unwrap()
        };
        assert!(!take(NOW.plus_seconds(PENDING_SECONDS - 1)).await);
        assert!(take(NOW.plus_seconds(PENDING_SECONDS)).await);
        assert!(!take(NOW.plus_seconds(PENDING_SECONDS)).await, "it has another command now");
        assert!(!reservations.confirm(ReservationKind::Email, &INDEX, owner(1)).await.unwrap());
    }

    #[tokio::test]
    async fn one_that_a_clock_years_ahead_wrote_is_taken_over_once_it_is_right() {
        let database = testing::database().await;
        let reservations = Reservations::new(database.pool(Role::App));
        let (kind, ahead) = (ReservationKind::Email, NOW.plus_seconds(34 * 365 * 86_400));
        reservations.reserve(kind, &INDEX, owner(1), command(1), ahead).await.unwrap();
        let Reserved::Taken(row) = reserve(&reservations, 2).await else { panic!("taken") };
        assert!(!row.is_pending(NOW));
        assert!(reservations.take_over(kind, &INDEX, &row, owner(2), command(2), NOW).await.unwrap());
        let row = reservations.find(kind, &INDEX).await.unwrap().unwrap();
        assert!(row.owner == owner(2) && row.is_pending(NOW));
    }

    #[tokio::test]
    async fn a_confirmed_one_is_neither_released_nor_taken_over() {
        let database = testing::database().await;
        let reservations = Reservations::new(database.pool(Role::App));
        reserve(&reservations, 1).await;
        reservations.confirm(ReservationKind::Email, &INDEX, owner(1)).await.unwrap();
        assert!(!reservations.release(ReservationKind::Email, &INDEX, command(1)).await.unwrap());
        let row = reservations.find(ReservationKind::Email, &INDEX).await.unwrap().unwrap();
        let late = NOW.plus_seconds(PENDING_SECONDS * 2);
        let taken =
            reservations.take_over(ReservationKind::Email, &INDEX, &row, owner(2), command(2), late).await;
        assert!(!taken.unwrap());
    }
}
