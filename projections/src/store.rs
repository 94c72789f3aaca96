//! One projection's connection to PostgreSQL: loads rows by key, writes changed rows, copies new ones.

use std::collections::HashMap;
use std::fmt::Write;

use bytes::{Bytes, BytesMut};
use eventstore_schema::database::Config;
use eventstore_schema::database::{self, Role};
use eventstore_schema::lease::{self, Lease};
use futures_util::SinkExt;
use futures_util::future::try_join_all;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Statement};

use crate::cell::CellError;
use crate::rows::{CopiedFields, Fields, Pending, Rows, Wanted};
use crate::table::{Column, Table, names};

/// Most bytes handed to `COPY` at a time, so that the connection's buffer stays small.
const COPY_CHUNK_BYTES: usize = 256 * 1024;
/// Signature, flags and header extension of binary `COPY` (PostgreSQL manual, COPY, binary format).
const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Trailer of binary `COPY`.
const COPY_TRAILER: &[u8] = &(-1i16).to_be_bytes();
/// Settings of a projection's connection. Rows are only ever sought by key, so plans that read whole tables are kept out
/// however small a table was when the plan was made. Commits need not wait for the disk: rows and checkpoint are lost
/// together, and the log has the events still. A process that hangs inside a transaction loses it, and what it holds.
const OPTIONS: &str = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off \
     -c plan_cache_mode=force_generic_plan -c synchronous_commit=off -c client_min_messages=warning \
     -c idle_in_transaction_session_timeout=5s \
     -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3";

/// Why rows could not be loaded or written. Nothing of the batch is kept then.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL refused, or went away.
    #[error("{attempt} failed")]
    Postgres {
        /// What was attempted.
        attempt: String,
        /// Why.
        source: tokio_postgres::Error,
    },
    /// A write touched another number of rows than it had to.
    #[error("{attempt} touched {actual} rows in place of {expected}")]
    Touched {
        /// What was attempted.
        attempt: String,
        /// How many rows it had to touch.
        expected: usize,
        /// How many it touched.
        actual: u64,
    },
    /// A stored row is not of the shape that its definition says.
    #[error("a row of {table} is of another shape")]
    Shape {
        /// The table.
        table: &'static str,
        /// The field.
        source: CellError,
    },
    /// Somebody else moved the checkpoint: a rebuild that was switched to.
    #[error("the checkpoint of {projection} was moved by somebody else")]
    Fenced {
        /// The projection.
        projection: &'static str,
    },
}

impl StoreError {
    pub(crate) fn at(attempt: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let attempt = attempt.into();
        move |source| StoreError::Postgres { attempt, source }
    }

    /// Whether the checkpoint is somebody else's now: the lease is, it was moved, or its tables are gone because a rebuild was
    /// switched to.
    pub(crate) fn is_fenced(&self) -> bool {
        match self {
            StoreError::Postgres { source, .. } => {
                let code = source.code();
                lease::is_lost(source)
                    || matches!(code, Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME))
            }
            StoreError::Fenced { .. } => true,
            StoreError::Touched { .. } | StoreError::Shape { .. } => false,
        }
    }

    /// Whether a key that was declared as new is there already.
    pub(crate) fn is_unique_violation(&self) -> bool {
        match self {
            StoreError::Postgres { source, .. } => source.code() == Some(&SqlState::UNIQUE_VIOLATION),
            StoreError::Touched { .. } | StoreError::Shape { .. } | StoreError::Fenced { .. } => false,
        }
    }
}

/// How new rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Few, beside readers: `INSERT`.
    Live,
    /// Many, into tables that nobody reads yet: `COPY`.
    Build,
}

/// A connection with its prepared statements.
pub(crate) struct Store {
    pub(crate) client: Client,
    statements: HashMap<String, Statement>,
}

impl Store {
    pub(crate) async fn connect(config: &Config) -> Result<Self, StoreError> {
        let config = database::with_options(&database::in_role(config, Role::Projector), OPTIONS);
        let client = database::connect(&config).await.map_err(StoreError::at("connecting"))?;
        Ok(Self { client, statements: HashMap::new() })
    }

    pub(crate) async fn execute(&self, sql: &str) -> Result<(), StoreError> {
        self.client.batch_execute(sql).await.map_err(StoreError::at(first_words(sql)))
    }

    /// Executes statements in one transaction, refused when the lease is somebody else's.
    pub(crate) async fn execute_under(&self, lease: &Lease, sql: &str) -> Result<(), StoreError> {
        // Several statements in one message are one transaction.
        let both = format!("{}; {sql}", lease.check_sql());
        self.client.batch_execute(&both).await.map_err(StoreError::at(first_words(sql)))
    }

    /// Begins a transaction, refused when the lease is somebody else's.
    pub(crate) async fn begin_under(&self, lease: &Lease) -> Result<(), StoreError> {
        self.execute(&format!("BEGIN; {}", lease.check_sql())).await
    }

    /// Loads the wanted rows into `rows`.
    pub(crate) async fn load(
        &mut self,
        schema: &str,
        wanted: &[Wanted],
        rows: &mut Rows,
    ) -> Result<(), StoreError> {
        let mut statements = Vec::with_capacity(wanted.len());
        for one in wanted {
            statements.push(self.prepare(load_sql(schema, one)).await?);
        }
        let client = &self.client;
        let loads = wanted.iter().zip(&statements).map(|(one, statement)| async move {
            let arrays = arrays(Fields(&one.fields), one.columns.len(), one.count);
            let attempt = || StoreError::at(format!("loading {}", one.table.name));
            client.query(statement, &parameters(&arrays)).await.map_err(attempt())
        });
        for (one, found) in wanted.iter().zip(try_join_all(loads).await?) {
            for row in &found {
                let mut fields = (0..row.len()).map(|index| row.try_get::<_, Raw<'_>>(index).ok());
                let mut next = || fields.next().flatten().and_then(|raw| raw.0);
                rows.loaded(one, &mut next)
                    .map_err(|source| StoreError::Shape { table: one.table.name, source })?;
            }
        }
        Ok(())
    }

    /// Writes what changed, inside the transaction that is open.
    pub(crate) async fn write(
        &mut self,
        schema: &str,
        pending: &mut [Pending],
        mode: Mode,
    ) -> Result<(), StoreError> {
        let changes = self.prepare_changes(schema, pending, mode).await?;
        self.run(&changes).await?;
        if mode == Mode::Build {
            for one in pending.iter_mut().filter(|one| one.inserts > 0) {
                self.copy(schema, one).await?;
            }
        }
        Ok(())
    }

    /// Makes ready what [`Store::run`] sends.
    pub(crate) async fn prepare_changes<'a>(
        &mut self,
        schema: &str,
        pending: &'a [Pending],
        mode: Mode,
    ) -> Result<Vec<Change<'a>>, StoreError> {
        let mut changes = Vec::new();
        for one in pending {
            self.changes(schema, one, mode, &mut changes).await?;
        }
        Ok(changes)
    }

    /// Sends all changes at once, in order.
    pub(crate) async fn run(&self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        let writes = changes.iter().map(|change| async move {
            let arrays = if change.is_copied {
                arrays(CopiedFields::new(change.fields, change.width), change.width, change.count)
            } else {
                arrays(Fields(change.fields), change.width, change.count)
            };
            let touched = self.client.execute(&change.statement, &parameters(&arrays)).await;
            let attempt = || format!("{} {}", change.verb, change.table);
            let actual = touched.map_err(StoreError::at(attempt()))?;
            match change.expected {
                Some(expected) if u64::try_from(expected) != Ok(actual) => {
                    Err(StoreError::Touched { attempt: attempt(), expected, actual })
                }
                Some(_) | None => Ok(()),
            }
        });
        try_join_all(writes).await.map(|_| ())
    }

    async fn changes<'a>(
        &mut self,
        schema: &str,
        one: &'a Pending,
        mode: Mode,
        changes: &mut Vec<Change<'a>>,
    ) -> Result<(), StoreError> {
        let table = one.table;
        for sweep in &one.sweeps {
            let (fields, width, count) = (&sweep.fields[..], sweep.columns.len(), sweep.count);
            let statement = self.prepare(delete_sql(schema, table, sweep.columns)).await?;
            let (verb, expected) = ("sweeping", None);
            let is_copied = false;
            changes.push(Change {
                table: table.name,
                verb,
                statement,
                fields,
                is_copied,
                width,
                count,
                expected,
            });
        }
        let mut all = vec![
            (
                "deleting from",
                one.deletes,
                &one.deleted,
                table.key.len(),
                delete_sql(schema, table, table.key),
            ),
            ("updating", one.updates, &one.updated, table.width(), update_sql(schema, table)),
        ];
        if mode == Mode::Live {
            all.push((
                "inserting into",
                one.inserts,
                &one.inserted,
                table.width(),
                insert_sql(schema, table),
            ));
        }
        for (verb, count, fields, width, sql) in all.into_iter().filter(|(_, count, ..)| *count > 0) {
            let statement = self.prepare(sql).await?;
            let (expected, is_copied) = (Some(count), std::ptr::eq(fields, &one.inserted));
            changes.push(Change {
                table: table.name,
                verb,
                statement,
                fields,
                is_copied,
                width,
                count,
                expected,
            });
        }
        Ok(())
    }

    async fn copy(&mut self, schema: &str, pending: &mut Pending) -> Result<(), StoreError> {
        let table = pending.table;
        let failed = || StoreError::at(format!("copying into {}", table.name));
        let sql = format!("COPY {schema}.{} ({}) FROM STDIN BINARY", table.name, table.column_list());
        let statement = self.prepare(sql).await?;
        let sink = self.client.copy_in::<_, Bytes>(&statement).await.map_err(failed())?;
        let mut sink = std::pin::pin!(sink);
        sink.feed(Bytes::from_static(COPY_HEADER)).await.map_err(failed())?;
        let mut rows = std::mem::take(&mut pending.inserted).freeze();
        while !rows.is_empty() {
            let chunk = rows.split_to(rows.len().min(COPY_CHUNK_BYTES));
            sink.feed(chunk).await.map_err(failed())?;
        }
        sink.feed(Bytes::from_static(COPY_TRAILER)).await.map_err(failed())?;
        let actual = sink.finish().await.map_err(failed())?;
        if u64::try_from(pending.inserts) != Ok(actual) {
            let attempt = format!("copying into {}", table.name);
            return Err(StoreError::Touched { attempt, expected: pending.inserts, actual });
        }
        Ok(())
    }

    pub(crate) async fn prepare(&mut self, sql: String) -> Result<Statement, StoreError> {
        if let Some(statement) = self.statements.get(&sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(&sql).await.map_err(StoreError::at(first_words(&sql)))?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

/// A statement with the rows that it is for.
pub(crate) struct Change<'a> {
    table: &'static str,
    verb: &'static str,
    statement: Statement,
    fields: &'a [u8],
    /// Whether the fields are rows in binary `COPY` format.
    is_copied: bool,
    width: usize,
    count: usize,
    expected: Option<usize>,
}

fn first_words(sql: &str) -> String {
    sql.split_whitespace().take(4).collect::<Vec<_>>().join(" ")
}

/// `unnest($1::a[], $2::b[], ...) AS k(a, b, ...)`.
fn unnested(columns: &[&Column]) -> String {
    let mut sql = "unnest(".to_owned();
    for (index, column) in columns.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let _ = write!(sql, "{comma}${}::{}[]", index + 1, column.sql);
    }
    let _ = write!(sql, ") AS k({})", names(columns.iter().copied()));
    sql
}

/// `t.a = k.a AND t.b = k.b ...`.
fn joined(columns: &[Column]) -> String {
    let equals: Vec<_> = columns.iter().map(|column| format!("t.{0} = k.{0}", column.name)).collect();
    equals.join(" AND ")
}

const POSITION: Column = Column { name: "position", sql: "bigint", nullable: false };

fn with_position(table: &Table) -> Vec<&Column> {
    table.all_columns().chain([&POSITION]).collect()
}

fn load_sql(schema: &str, wanted: &Wanted) -> String {
    let (table, columns) = (wanted.table, wanted.columns);
    let list: Vec<_> = with_position(table).iter().map(|column| format!("t.{}", column.name)).collect();
    let keys = unnested(&columns.iter().collect::<Vec<_>>());
    format!("SELECT {} FROM {keys} JOIN {schema}.{} AS t ON {}", list.join(", "), table.name, joined(columns))
}

fn insert_sql(schema: &str, table: &Table) -> String {
    let list = table.column_list();
    format!(
        "INSERT INTO {schema}.{} ({list}) SELECT {list} FROM {}",
        table.name,
        unnested(&with_position(table))
    )
}

fn update_sql(schema: &str, table: &Table) -> String {
    let changed = table.columns.iter().chain([&POSITION]);
    let set: Vec<_> = changed.map(|column| format!("{0} = k.{0}", column.name)).collect();
    format!(
        "UPDATE {schema}.{} AS t SET {} FROM {} WHERE {}",
        table.name,
        set.join(", "),
        unnested(&with_position(table)),
        joined(table.key)
    )
}

fn delete_sql(schema: &str, table: &Table, columns: &[Column]) -> String {
    let keys = unnested(&columns.iter().collect::<Vec<_>>());
    format!("DELETE FROM {schema}.{} AS t USING {keys} WHERE {}", table.name, joined(columns))
}

/// A column of many rows as one array parameter.
struct RawArray<'a> {
    fields: Vec<&'a [u8]>,
}

impl std::fmt::Debug for RawArray<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} values", self.fields.len())
    }
}

impl ToSql for RawArray<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let Kind::Array(element) = ty.kind() else { return Err("an array is expected".into()) };
        let null = (-1i32).to_be_bytes();
        let has_nulls = self.fields.iter().any(|field| field.starts_with(&null));
        let length = i32::try_from(self.fields.len())?;
        for word in [1, i32::from(has_nulls), element.oid().cast_signed(), length, 1] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        self.fields.iter().for_each(|field| out.extend_from_slice(field));
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(ty.kind(), Kind::Array(_))
    }

    to_sql_checked!();
}

/// Turns rows of fields into columns.
fn arrays<'a>(mut fields: impl Iterator<Item = &'a [u8]>, width: usize, count: usize) -> Vec<RawArray<'a>> {
    let mut arrays: Vec<_> = (0..width).map(|_| RawArray { fields: Vec::with_capacity(count) }).collect();
    for _ in 0..count {
        for (array, field) in arrays.iter_mut().zip(&mut fields) {
            array.fields.push(field);
        }
    }
    arrays
}

fn parameters<'a>(arrays: &'a [RawArray<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect()
}

/// A field as it came.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
