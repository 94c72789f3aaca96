//! Partitions ahead of the writer, so that it never meets the end of the last one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio_postgres::{Client, Row};

use super::Shared;

/// Part of a partition that is kept free ahead of the last event.
const AHEAD: i64 = 4;
const MAKE: &str = "SELECT log.make_room($1 + partition_events / $2), partition_events FROM log.identity";

/// How far there are partitions, as far as this process knows.
#[derive(Default)]
pub(super) struct Room {
    ceiling: AtomicI64,
    partition_events: AtomicI64,
    being_made: AtomicBool,
}

impl Room {
    /// The first position without a partition.
    pub(super) fn ceiling(&self) -> i64 {
        self.ceiling.load(Ordering::Relaxed)
    }

    /// Makes partitions until there is room ahead of `position`.
    pub(super) async fn make(&self, client: &Client, position: u64) -> Result<(), tokio_postgres::Error> {
        self.made(&client.query_one(MAKE, &[&signed(position), &AHEAD]).await?)
    }

    fn made(&self, row: &Row) -> Result<(), tokio_postgres::Error> {
        self.ceiling.fetch_max(row.try_get(0)?, Ordering::Relaxed);
        self.partition_events.store(row.try_get(1)?, Ordering::Relaxed);
        Ok(())
    }

    /// Has partitions made by another task when the free part is used up. Should that fail, `log.append` makes them when
    /// they are needed.
    pub(super) fn look_ahead(shared: &Arc<Shared>, position: u64) {
        let room = &shared.room;
        let free = room.ceiling().saturating_sub(signed(position));
        let enough = free > room.partition_events.load(Ordering::Relaxed) / AHEAD;
        if enough || room.being_made.swap(true, Ordering::Relaxed) {
            return;
        }
        let shared = shared.clone();
        tokio::spawn(async move {
            match shared.pool.get().await {
                Ok(client) => {
                    let row = client.query_one(MAKE, &[&signed(position), &AHEAD]).await;
                    if let Err(error) = row.and_then(|row| shared.room.made(&row)) {
                        tracing::warn!(%error, "no partition could be made ahead");
                    }
                }
                Err(error) => tracing::warn!(%error, "no partition could be made ahead"),
            }
            shared.room.being_made.store(false, Ordering::Relaxed);
        });
    }
}

fn signed(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}
