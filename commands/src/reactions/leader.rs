//! One process at a time leads a reaction: whoever holds its advisory lock, on a connection of its own. The lock goes with the
//! connection, so another process takes over when the leader dies.

use std::ops::Deref;

use deadpool_postgres::{ClientWrapper, Object, Pool};

use super::ReactionError;

/// The lead of a reaction.
pub(super) struct Leader {
    connection: ClientWrapper,
}

impl Leader {
    /// Takes the lead, unless another process has it.
    pub(super) async fn take(pool: &Pool, reaction: &str) -> Result<Option<Self>, ReactionError> {
        // Taken out of the pool: it must close, not go back, when the lead ends.
        let connection = Object::take(pool.get().await?);
        let locked = connection
            .query_one("SELECT pg_try_advisory_lock($1)", &[&lock_key(reaction)])
            .await?
            .try_get(0)?;
        Ok(if locked { Some(Self { connection }) } else { None })
    }

    /// Whether the connection, and with it the lock, is there as far as known.
    pub(super) fn leads(&self) -> bool {
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
