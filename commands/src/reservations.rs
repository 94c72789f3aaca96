//! Uniqueness across streams: what must be unique (an e-mail address) names, under a blind index, the one account that may be
//! registered with it.
//!
//! A row says whose an address is, never whether that account exists: the account's stream says that. So nothing has to be
//! confirmed, released or taken over, and whatever is broken off leaves an address that the next one registers.

use eventstore_schema::database::Pool;
use tokio_postgres::types::ToSql;
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

    /// Reserves for `owner` what is free, and gives whose it is: `owner`'s, or somebody's who came before. Both cost the same:
    /// one statement that writes. `owner` has to follow from the command and from `blind_index`, so that a retry of the command
    /// finds its own, and the same command about something else never meets it.
    ///
    /// # Errors
    /// When the table cannot be reached; repeating is safe.
    pub async fn claim(
        &self,
        kind: ReservationKind,
        blind_index: &[u8; 32],
        owner: Uuid,
    ) -> Result<Uuid, ReservationError> {
        let attempt = "reserving";
        let client = self.client(attempt).await?;
        let statement = client
            .prepare_cached(include_str!("../sql/reserve.sql"))
            .await
            .map_err(|error| failed(attempt, &error))?;
        let row = client
            .query_one(&statement, &[&kind.code(), &blind_index.as_slice(), &owner])
            .await
            .map_err(|error| failed(attempt, &error))?;
        row.try_get(0).map_err(|error| failed(attempt, &error))
    }

    /// Whose it is.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn find(
        &self,
        kind: ReservationKind,
        blind_index: &[u8; 32],
    ) -> Result<Option<Uuid>, ReservationError> {
        let attempt = "looking up a reservation";
        let client = self.client(attempt).await?;
        let select = client
            .prepare_cached("SELECT owner FROM write.reservations WHERE kind = $1 AND blind_index = $2")
            .await
            .map_err(|error| failed(attempt, &error))?;
        let row = client
            .query_opt(&select, &[&kind.code(), &blind_index.as_slice()])
            .await
            .map_err(|error| failed(attempt, &error))?;
        row.map(|row| row.try_get(0)).transpose().map_err(|error| failed(attempt, &error))
    }

    /// Restores a reservation from the log; one that is there already stays. Tells whether it was missing.
    ///
    /// # Errors
    /// When the table cannot be reached; repeating is safe.
    pub async fn restore(
        &self,
        kind: ReservationKind,
        blind_index: &[u8; 32],
        owner: Uuid,
    ) -> Result<bool, ReservationError> {
        let attempt = "restoring a reservation";
        let client = self.client(attempt).await?;
        let insert = client
            .prepare_cached(
                "INSERT INTO write.reservations (kind, blind_index, owner) VALUES ($1, $2, $3) \
                 ON CONFLICT (kind, blind_index) DO NOTHING",
            )
            .await
            .map_err(|error| failed(attempt, &error))?;
        let inserted = client
            .execute(&insert, &[&kind.code(), &blind_index.as_slice(), &owner])
            .await
            .map_err(|error| failed(attempt, &error))?;
        Ok(inserted == 1)
    }

    /// A page of all of a kind, by blind index behind `after`, with whose they are.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn page(
        &self,
        kind: ReservationKind,
        after: Option<[u8; 32]>,
        limit: u32,
    ) -> Result<Vec<([u8; 32], Uuid)>, ReservationError> {
        let attempt = "reading reservations";
        let after = after.unwrap_or_default();
        let sql = "SELECT blind_index, owner FROM write.reservations \
                   WHERE kind = $1 AND blind_index > $2 ORDER BY blind_index LIMIT $3";
        let client = self.client(attempt).await?;
        let values: [&(dyn ToSql + Sync); 3] = [&kind.code(), &after.as_slice(), &i64::from(limit)];
        let rows = client.query(sql, &values).await.map_err(|error| failed(attempt, &error))?;
        let read = |row: &tokio_postgres::Row| {
            let index: &[u8] = row.try_get(0).map_err(|error| failed(attempt, &error))?;
            let index = <[u8; 32]>::try_from(index).map_err(|_| ReservationError {
                attempt,
                reason: "a blind index that is not 32 bytes long".to_owned(),
            })?;
            Ok((index, row.try_get(1).map_err(|error| failed(attempt, &error))?))
        };
        rows.iter().map(read).collect()
    }

    /// Takes away what is `owner`'s: it is free again. Tells whether it was there.
    ///
    /// # Errors
    /// When the table cannot be reached; repeating is safe.
    pub async fn remove(
        &self,
        kind: ReservationKind,
        blind_index: &[u8; 32],
        owner: Uuid,
    ) -> Result<bool, ReservationError> {
        let attempt = "removing a reservation";
        let sql = "DELETE FROM write.reservations WHERE kind = $1 AND blind_index = $2 AND owner = $3";
        let client = self.client(attempt).await?;
        let values: [&(dyn ToSql + Sync); 3] = [&kind.code(), &blind_index.as_slice(), &owner];
        let removed = client.execute(sql, &values).await.map_err(|error| failed(attempt, &error))?;
        Ok(removed == 1)
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

    const INDEX: [u8; 32] = [5; 32];

    fn owner(number: u8) -> Uuid {
        Uuid::from_bytes([number; 16])
    }

    async fn claim(reservations: &Reservations, number: u8) -> Uuid {
        reservations.claim(ReservationKind::Email, &INDEX, owner(number)).await.unwrap()
    }

    #[tokio::test]
    async fn it_is_for_ever_whose_it_was_first() {
        let database = testing::database().await;
        let reservations = Reservations::new(database.pool(Role::App));
        assert_eq!(reservations.find(ReservationKind::Email, &INDEX).await.unwrap(), None);
        for number in [1, 1, 2, 1] {
            assert_eq!(claim(&reservations, number).await, owner(1));
        }
        assert_eq!(reservations.find(ReservationKind::Email, &INDEX).await.unwrap(), Some(owner(1)));
        assert!(!reservations.restore(ReservationKind::Email, &INDEX, owner(2)).await.unwrap());
        assert!(reservations.restore(ReservationKind::Email, &[6; 32], owner(2)).await.unwrap());
    }

    #[tokio::test]
    async fn many_at_once_are_told_the_same() {
        let database = testing::database().await;
        let reservations = Reservations::new(database.pool(Role::App));
        let told = futures_util::future::join_all((1..=8).map(|number| claim(&reservations, number))).await;
        assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
    }
}
