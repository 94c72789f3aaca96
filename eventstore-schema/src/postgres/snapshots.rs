//! Snapshots of aggregates. Losing them costs time only.

use bytes::Bytes;

use super::Shared;
use super::reader::query;
use super::rows::{category_code, describe};
use crate::envelope::{Revision, StreamId};
use crate::log::{LogError, Snapshot};

pub(super) async fn load(shared: &Shared, stream: StreamId) -> Result<Option<Snapshot>, LogError> {
    let attempt = "loading a snapshot";
    let sql = "SELECT revision, state_version, state FROM log.snapshots WHERE id = $1 AND category = $2";
    let rows = query(shared, attempt, sql, &[&stream.id, &category_code(stream.category)]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let read = || -> Result<Snapshot, tokio_postgres::Error> {
        Ok(Snapshot {
            stream,
            revision: Revision::new(row.try_get::<_, i64>(0)?.cast_unsigned()),
            state_version: u16::try_from(row.try_get::<_, i32>(1)?).unwrap_or(u16::MAX),
            state: Bytes::copy_from_slice(row.try_get(2)?),
        })
    };
    read().map(Some).map_err(|error| LogError::Unavailable { attempt, reason: describe(&error) })
}

/// A later revision replaces an earlier one, and another form of the state replaces what this release cannot read.
pub(super) async fn store(shared: &Shared, snapshot: Snapshot) -> Result<(), LogError> {
    let sql =
        "INSERT INTO log.snapshots (id, category, revision, state_version, state) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (id, category) DO UPDATE
        SET revision = excluded.revision, state_version = excluded.state_version, state = excluded.state
        WHERE snapshots.revision < excluded.revision OR snapshots.state_version <> excluded.state_version";
    let Snapshot { stream, revision, state_version, state } = snapshot;
    let revision = i64::try_from(revision.get()).unwrap_or(i64::MAX);
    query(
        shared,
        "storing a snapshot",
        sql,
        &[&stream.id, &category_code(stream.category), &revision, &i32::from(state_version), &state.as_ref()],
    )
    .await
    .map(|_| ())
}
