//! Snapshots of aggregates, in PostgreSQL whichever engine keeps the log. Losing them costs time only.

use crate::database::Pool;
use bytes::Bytes;
use domain::Digest;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::envelope::{Revision, StreamId};
use crate::log::LogError;
use crate::postgres::{category_code, describe};

/// An aggregate's state at a revision. Discardable: losing one costs time only.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The stream.
    pub stream: StreamId,
    /// Revision of the last event folded in.
    pub revision: Revision,
    /// [`crate::record_hash`] of that event. Beside a log that has another there, as after a restore of one of the two, the
    /// snapshot is of another history.
    pub record_hash: Digest,
    /// The aggregate's `STATE_VERSION`.
    pub state_version: u16,
    /// Encoded state.
    pub state: Bytes,
}

/// Where snapshots are kept.
pub(crate) struct Snapshots {
    pool: Pool,
}

impl Snapshots {
    /// In the database of this pool, whose role is the write side's.
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// See [`crate::EventLog::load_snapshot`].
    pub(crate) async fn load(
        &self,
        stream: StreamId,
        state_version: u16,
    ) -> Result<Option<Snapshot>, LogError> {
        let attempt = "loading a snapshot";
        let sql = "SELECT revision, state, record_hash FROM log.snapshots \
            WHERE id = $1 AND category = $2 AND state_version = $3";
        let parameters: [&(dyn ToSql + Sync); 3] =
            [&stream.id, &category_code(stream.category), &i32::from(state_version)];
        let rows = self.query(attempt, sql, &parameters).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let read = || -> Result<Snapshot, tokio_postgres::Error> {
            Ok(Snapshot {
                stream,
                revision: Revision::new(row.try_get::<_, i64>(0)?.cast_unsigned()),
                state_version,
                state: Bytes::copy_from_slice(row.try_get(1)?),
                record_hash: Digest::from_bytes(row.try_get::<_, &[u8]>(2)?.try_into().unwrap_or_default()),
            })
        };
        read().map(Some).map_err(|error| LogError::Unavailable { attempt, reason: describe(&error) })
    }

    /// Replaces what is there in this form, be it of another history, and drops what is older than the form before it. That two
    /// processes come out of order costs reading some events more, once.
    pub(crate) async fn store(&self, snapshot: Snapshot) -> Result<(), LogError> {
        let sql = "WITH outlived AS (
                DELETE FROM log.snapshots WHERE id = $1 AND category = $2 AND state_version < $4 - 1
            )
            INSERT INTO log.snapshots (id, category, revision, state_version, state, record_hash)
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id, category, state_version) DO UPDATE
            SET revision = excluded.revision, state = excluded.state, record_hash = excluded.record_hash";
        let Snapshot { stream, revision, record_hash, state_version, state } = snapshot;
        let revision = i64::try_from(revision.get()).unwrap_or(i64::MAX);
        let category = category_code(stream.category);
        let (state_version, record_hash) = (i32::from(state_version), record_hash.as_bytes().as_slice());
        let parameters: [&(dyn ToSql + Sync); 6] =
            [&stream.id, &category, &revision, &state_version, &state.as_ref(), &record_hash];
        self.query("storing a snapshot", sql, &parameters).await.map(|_| ())
    }

    async fn query(
        &self,
        attempt: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, LogError> {
        let unavailable = |reason: String| LogError::Unavailable { attempt, reason };
        let client = self.pool.get().await.map_err(|error| unavailable(error.to_string()))?;
        let statement = client.prepare_cached(sql).await.map_err(|error| unavailable(describe(&error)))?;
        client.query(&statement, parameters).await.map_err(|error| unavailable(describe(&error)))
    }
}
