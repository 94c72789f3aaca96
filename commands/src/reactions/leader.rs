//! One process at a time leads a reaction: whoever holds its advisory lock, on a connection of its own. The lock goes with the
//! connection, so another process takes over when the leader dies.

use std::ops::Deref;

use deadpool_postgres::ClientWrapper;
use eventstore_schema::database::Pool;

use super::ReactionError;

/// A connection that leads a reaction, or waits for the lead.
pub(super) struct Leader {
    connection: ClientWrapper,
}

impl Leader {
    /// Connects, without the lead.
    pub(super) async fn connect(pool: &Pool) -> Result<Self, ReactionError> {
        // Taken out of the pool: it must close, not go back, when the lead ends.
        Ok(Self { connection: pool.get().await?.detach()? })
    }

    /// Takes the lead, unless another process has it.
    pub(super) async fn take(&self, reaction: &str) -> Result<bool, ReactionError> {
        let sql = "SELECT pg_try_advisory_lock($1)";
        Ok(self.connection.query_one(sql, &[&lock_key(reaction)]).await?.try_get(0)?)
    }

    /// Whether the connection, and with it a lead once taken, is there as far as known.
    pub(super) fn is_connected(&self) -> bool {
        !self.connection.is_closed()
    }
}

impl Deref for Leader {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

fn lock_key(reaction: &str) -> i64 {
    let hash = blake3::derive_key("envoi 2026-11-21 reaction lock v1", reaction.as_bytes());
    let (first, _) = hash.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
    i64::from_be_bytes(*first)
}
