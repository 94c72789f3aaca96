//! Wrapped keys in PostgreSQL, schema `keyring`.

use async_trait::async_trait;
use domain::Timestamp;
use tokio_postgres::Row;

use crate::database::{Connection, Pool};

use super::figures::KeyCount;
use super::names::{KeyKind, KeyName};
use super::root::RootId;
use super::store::{Destruction, KeyRow, KeyState, KeyStore, RootRow, ShardRow, StoreError};

const ROOT: &str = "SELECT version, root_id FROM keyring.roots WHERE state = 1";
const INSERT_ROOT: &str = "
    INSERT INTO keyring.roots (version, root_id, state) VALUES ($1, $2, 1) ON CONFLICT DO NOTHING";
const INSERT_SHARDS: &str = "
    INSERT INTO keyring.shards (shard, version, root_version, state, wrapped)
    SELECT shard, $2, $1, 1, wrapped FROM unnest($3::smallint[], $4::bytea[]) AS new (shard, wrapped)";
const SHARDS: &str = "SELECT shard, version, state, wrapped FROM keyring.shards WHERE state <> 4";
const FETCH: &str = "
    SELECT kind, id, version, state, shard_version, wrapped, (extract(epoch FROM created_at) * 1000000)::bigint AS made_at
    FROM keyring.keys JOIN unnest($1::smallint[], $2::bytea[]) AS wanted (kind, id) USING (kind, id)";
const COUNTS: &str = "
    SELECT kind, CASE WHEN kind = $1 THEN id END AS secret, state, count(*) AS count,
        extract(epoch FROM now() - min(created_at))::float8 AS oldest
    FROM keyring.keys GROUP BY 1, 2, 3";
/// The share lock keeps a rotation of the shard key from passing between its reader and this insert.
const INSERT_FIRST: &str = "
    INSERT INTO keyring.keys (kind, id, version, state, shard, shard_version, wrapped)
    SELECT new.kind, new.id, new.version, 1, new.shard, new.shard_version, new.wrapped
    FROM unnest($1::smallint[], $2::bytea[], $3::integer[], $4::smallint[], $5::bigint[], $6::bytea[])
        AS new (kind, id, version, shard, shard_version, wrapped)
    JOIN keyring.shards ON shards.shard = new.shard AND shards.version = new.shard_version AND shards.state = 1
    ORDER BY new.kind, new.id
    FOR SHARE OF shards
    ON CONFLICT DO NOTHING";
const RETIRE: &str = "
    UPDATE keyring.keys SET state = $4 WHERE kind = $1 AND id = $2 AND version = $3 AND state = 1";
const COMPROMISE: &str = "UPDATE keyring.keys SET state = 3 WHERE kind = $1 AND id = $2 AND state = 2";
const INSERT_NEXT: &str = "
    INSERT INTO keyring.keys (kind, id, version, state, shard, shard_version, wrapped)
    SELECT $1, $2, $3, 1, $4, $5, $6 FROM keyring.shards WHERE shard = $4 AND version = $5 AND state = 1
    FOR SHARE OF shards";
const INSERT_TOMBSTONE: &str = "
    INSERT INTO keyring.keys (kind, id, version, state, shard, shard_version, wrapped, destroyed_position, destroyed_at)
    VALUES ($1, $2, 1, 4, $3, NULL, NULL, $4, $5) ON CONFLICT DO NOTHING";
const DESTROY: &str = "
    UPDATE keyring.keys
    SET state = 4, shard_version = NULL, wrapped = NULL, destroyed_position = $3, destroyed_at = $4
    WHERE kind = $1 AND id = $2 AND state <> 4";

/// The store in PostgreSQL. Its pool's role must be able to read, insert and update the tables of `keyring`.
pub(super) struct PostgresKeys {
    pool: Pool,
    /// A connection of its own for who asks how the store is.
    probe: Pool,
}

impl PostgresKeys {
    pub(super) fn new(pool: Pool) -> Result<Self, StoreError> {
        let attempt = "making its connections";
        let unavailable = |error: deadpool_postgres::BuildError| StoreError::Unavailable {
            attempt,
            reason: error.to_string(),
        };
        Ok(Self { probe: pool.apart().map_err(unavailable)?, pool })
    }

    async fn client(&self, attempt: &'static str) -> Result<Connection, StoreError> {
        self.pool.get().await.map_err(|error| StoreError::Unavailable { attempt, reason: error.to_string() })
    }
}

fn unavailable(attempt: &'static str) -> impl Fn(tokio_postgres::Error) -> StoreError {
    move |error| {
        let reason = error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned());
        StoreError::Unavailable { attempt, reason }
    }
}

fn column<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, name: &str) -> Result<T, StoreError> {
    row.try_get(name).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// A number column as the type that its values fit in.
fn number<T: TryFrom<i64>>(value: impl Into<i64>, name: &str) -> Result<T, StoreError> {
    T::try_from(value.into()).map_err(|_| StoreError::Corrupt(format!("{name} is out of range")))
}

fn state(row: &Row) -> Result<KeyState, StoreError> {
    let code: i16 = column(row, "state")?;
    KeyState::from_code(number(code, "state")?)
        .ok_or_else(|| StoreError::Corrupt(format!("key state {code}")))
}

fn key_row(row: &Row) -> Result<KeyRow, StoreError> {
    let (kind, id): (i16, &[u8]) = (column(row, "kind")?, column(row, "id")?);
    let name = KeyName::from_parts(number(kind, "kind")?, id)
        .ok_or_else(|| StoreError::Corrupt(format!("a key of kind {kind}")))?;
    let shard_version = column::<Option<i64>>(row, "shard_version")?.unwrap_or_default();
    Ok(KeyRow {
        name,
        version: number(column::<i32>(row, "version")?, "version")?,
        state: state(row)?,
        shard_version: number(shard_version, "shard_version")?,
        wrapped: column(row, "wrapped")?,
        made_at: Timestamp::from_micros(column(row, "made_at")?),
    })
}

#[async_trait]
impl KeyStore for PostgresKeys {
    async fn answers(&self) -> Result<(), StoreError> {
        let attempt = "asking whether it answers";
        let client = self.probe.get().await;
        let client =
            client.map_err(|error| StoreError::Unavailable { attempt, reason: error.to_string() })?;
        client.query_opt(ROOT, &[]).await.map(|_| ()).map_err(unavailable(attempt))
    }

    async fn root(&self) -> Result<Option<RootRow>, StoreError> {
        let attempt = "reading its root record";
        let client = self.client(attempt).await?;
        let statement = client.prepare_cached(ROOT).await.map_err(unavailable(attempt))?;
        let Some(row) = client.query_opt(&statement, &[]).await.map_err(unavailable(attempt))? else {
            return Ok(None);
        };
        let id: &[u8] = column(&row, "root_id")?;
        let id = id.try_into().map_err(|_| StoreError::Corrupt("a root id of another size".to_owned()))?;
        let version = number(column::<i64>(&row, "version")?, "version")?;
        Ok(Some(RootRow { version, id: RootId::from_bytes(id) }))
    }

    async fn initialise(&self, root: &RootRow, shards: &[ShardRow]) -> Result<(), StoreError> {
        let attempt = "recording its root";
        let client = self.client(attempt).await?;
        client.begin().await.map_err(unavailable(attempt))?;
        let (root_version, root_id) = (i64::from(root.version), root.id.as_bytes().as_slice());
        let inserted = client.execute(INSERT_ROOT, &[&root_version, &root_id]).await;
        if inserted.map_err(unavailable(attempt))? == 0 {
            return Ok(());
        }
        let numbers: Vec<i16> = shards.iter().map(|row| i16::from(row.shard)).collect();
        let wrapped: Vec<&[u8]> = shards.iter().map(|row| row.wrapped.as_slice()).collect();
        let version = shards.first().map_or(1, |row| i64::from(row.version));
        client
            .execute(INSERT_SHARDS, &[&root_version, &version, &numbers, &wrapped])
            .await
            .map_err(unavailable(attempt))?;
        client.commit().await.map_err(unavailable(attempt))
    }

    async fn shards(&self) -> Result<Vec<ShardRow>, StoreError> {
        let attempt = "reading its shard keys";
        let client = self.client(attempt).await?;
        let statement = client.prepare_cached(SHARDS).await.map_err(unavailable(attempt))?;
        let rows = client.query(&statement, &[]).await.map_err(unavailable(attempt))?;
        rows.iter()
            .map(|row| {
                Ok(ShardRow {
                    shard: number(column::<i16>(row, "shard")?, "shard")?,
                    version: number(column::<i64>(row, "version")?, "version")?,
                    state: state(row)?,
                    wrapped: column(row, "wrapped")?,
                })
            })
            .collect()
    }

    async fn counts(&self) -> Result<Vec<KeyCount>, StoreError> {
        let attempt = "counting keys";
        let client = self.client(attempt).await?;
        let secret = i16::from(KeyKind::Secret.code());
        let rows = client.query(COUNTS, &[&secret]).await.map_err(unavailable(attempt))?;
        let mut counts = Vec::with_capacity(rows.len());
        for row in &rows {
            let (kind, secret): (i16, Option<&[u8]>) = (column(row, "kind")?, column(row, "secret")?);
            let kind = KeyKind::from_code(number(kind, "kind")?)
                .ok_or_else(|| StoreError::Corrupt(format!("a key of kind {kind}")))?;
            let name = secret.and_then(|name| std::str::from_utf8(name).ok());
            // A secret of a release that has more of them.
            let Some(purpose) = KeyCount::purpose(kind, name) else { continue };
            let (state, count) = (state(row)?, number(column::<i64>(row, "count")?, "count")?);
            counts.push(KeyCount { purpose, state, count, oldest_seconds: column(row, "oldest")? });
        }
        Ok(counts)
    }

    async fn fetch(&self, names: &[KeyName]) -> Result<Vec<KeyRow>, StoreError> {
        let attempt = "reading keys";
        let kinds: Vec<i16> = names.iter().map(|name| i16::from(name.kind().code())).collect();
        let ids: Vec<Vec<u8>> = names.iter().map(KeyName::id).collect();
        let client = self.client(attempt).await?;
        let statement = client.prepare_cached(FETCH).await.map_err(unavailable(attempt))?;
        let rows = client.query(&statement, &[&kinds, &ids]).await.map_err(unavailable(attempt))?;
        rows.iter().map(key_row).collect()
    }

    async fn insert_first(&self, rows: &[KeyRow]) -> Result<(), StoreError> {
        let attempt = "storing new keys";
        let kinds: Vec<i16> = rows.iter().map(|row| i16::from(row.name.kind().code())).collect();
        let ids: Vec<Vec<u8>> = rows.iter().map(|row| row.name.id()).collect();
        let versions: Vec<i32> = rows.iter().map(|row| i32::from(row.version)).collect();
        let shards: Vec<i16> = rows.iter().map(|row| i16::from(row.name.shard())).collect();
        let shard_versions: Vec<i64> = rows.iter().map(|row| i64::from(row.shard_version)).collect();
        let wrapped: Vec<Option<&[u8]>> = rows.iter().map(|row| row.wrapped.as_deref()).collect();
        let client = self.client(attempt).await?;
        let statement = client.prepare_cached(INSERT_FIRST).await.map_err(unavailable(attempt))?;
        client
            .execute(&statement, &[&kinds, &ids, &versions, &shards, &shard_versions, &wrapped])
            .await
            .map_err(unavailable(attempt))?;
        Ok(())
    }

    async fn insert_next(&self, row: &KeyRow, before: KeyState) -> Result<bool, StoreError> {
        let attempt = "storing the next version of a key";
        let (kind, id) = (i16::from(row.name.kind().code()), row.name.id());
        let (last, state) = (i32::from(row.version) - 1, i16::from(before.code()));
        let (version, shard) = (i32::from(row.version), i16::from(row.name.shard()));
        let (shard_version, wrapped) = (i64::from(row.shard_version), row.wrapped.as_deref());
        let client = self.client(attempt).await?;
        client.begin().await.map_err(unavailable(attempt))?;
        let retired = client.execute(RETIRE, &[&kind, &id, &last, &state]).await;
        if retired.map_err(unavailable(attempt))? != 1 {
            return Ok(false);
        }
        if before == KeyState::Compromised {
            client.execute(COMPROMISE, &[&kind, &id]).await.map_err(unavailable(attempt))?;
        }
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&kind, &id, &version, &shard, &shard_version, &wrapped];
        let inserted = client.execute(INSERT_NEXT, &values).await.map_err(unavailable(attempt))?;
        if inserted != 1 {
            return Ok(false);
        }
        client.commit().await.map_err(unavailable(attempt))?;
        Ok(true)
    }

    async fn destroy(&self, name: KeyName, destruction: Destruction) -> Result<(), StoreError> {
        let attempt = "recording a destruction";
        let (kind, id, shard) = (i16::from(name.kind().code()), name.id(), i16::from(name.shard()));
        let position: i64 = destruction.position.get().try_into().unwrap_or(i64::MAX);
        let at = destruction.at.as_micros();
        let client = self.client(attempt).await?;
        client.begin().await.map_err(unavailable(attempt))?;
        client
            .execute(INSERT_TOMBSTONE, &[&kind, &id, &shard, &position, &at])
            .await
            .map_err(unavailable(attempt))?;
        client.execute(DESTROY, &[&kind, &id, &position, &at]).await.map_err(unavailable(attempt))?;
        client.commit().await.map_err(unavailable(attempt))
    }
}
