//! Queries: what a viewer may see, enforced by PostgreSQL even when a query forgets to ask.

use std::sync::Arc;

use domain::{
    AccountId, ConversationId, DeviceId, InvitationId, OrganizationId, RecipientId, SessionId, WorkspaceId,
};
use eventstore_schema::Position;
use eventstore_schema::database::{self, Connection, Pool, PoolError};
use futures_util::future::{join, join_all, join5, try_join_all, try_join3};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::cell::{Cell, CellError, Sql};
use crate::views::Views;

/// Most rows of one page: what a screen or two show, and small enough to open all sealed parts at once.
pub const PAGE_ROWS_MAX: u32 = 200;

/// Who asks. The caller has authenticated the account and knows it to be a member of the organization; row-level security
/// then shows rows of this organization and this account only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// The account.
    pub account_id: AccountId,
    /// The organization that it acts in; `None` outside any.
    pub organization_id: Option<OrganizationId>,
}

/// A page of a list that is ordered by `K`: what comes behind a key, at most so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<K> {
    /// The last key of the page before; `None` for the first page.
    pub after: Option<K>,
    limit: u32,
}

impl<K> Page<K> {
    /// A page of at most `limit` rows, cut to [`PAGE_ROWS_MAX`].
    pub fn new(after: Option<K>, limit: u32) -> Self {
        Self { after, limit: limit.clamp(1, PAGE_ROWS_MAX) }
    }

    /// The key behind which the page begins: on the first page one before all.
    pub fn behind(&self) -> K
    where
        K: PageKey,
    {
        self.after.unwrap_or(K::BEFORE_ALL)
    }

    /// How many rows to fetch, as SQL wants it.
    pub fn limit(&self) -> i64 {
        i64::from(self.limit)
    }
}

/// What a list is ordered by. So that a page is one range of an index, also where the plan is made before the page is known, a
/// first page has a key, too.
pub trait PageKey: Copy {
    /// A key before all that the server makes. Where clients make keys, a list has to show this one, too.
    const BEFORE_ALL: Self;
}

macro_rules! page_keys {
    ($($type:ty = $least:expr;)+) => { $(impl PageKey for $type { const BEFORE_ALL: Self = $least; })+ };
    ($($type:ty)+) => { page_keys! { $($type = <$type>::from_bytes([0; 16]);)+ } };
}

page_keys! { AccountId ConversationId DeviceId InvitationId OrganizationId RecipientId SessionId WorkspaceId }
page_keys! { u8 = 0; u32 = 0; u64 = 0; Position = Position::new(0); }

impl<A: PageKey, B: PageKey> PageKey for (A, B) {
    const BEFORE_ALL: Self = (A::BEFORE_ALL, B::BEFORE_ALL);
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// No connection could be had: try again.
    #[error("no connection for reading")]
    Connect(#[source] PoolError),
    /// PostgreSQL refused the query or went away while it ran.
    #[error("a query failed")]
    Query(#[source] tokio_postgres::Error),
    /// The read models do not show yet what they have to: try again.
    #[error("the read models are behind")]
    Behind,
    /// A row is not of the shape that this release expects.
    #[error("a row of {what} is of another shape")]
    Shape {
        /// What was read.
        what: &'static str,
        /// The column.
        source: CellError,
    },
}

impl QueryError {
    /// Whether trying again can help.
    pub fn is_transient(&self) -> bool {
        match self {
            QueryError::Connect(_) | QueryError::Behind => true,
            // Before its tables are complete a release has no views.
            QueryError::Query(error) => database::is_transient(error) || is_unfinished(error),
            QueryError::Shape { .. } => false,
        }
    }
}

fn is_unfinished(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME))
}

/// A row that a query gives; implemented by [`result!`](crate::result).
pub trait Shape: Sized {
    /// Reads the row's columns by name.
    ///
    /// # Errors
    /// When a column is missing or of another type.
    fn read(row: &tokio_postgres::Row) -> Result<Self, QueryError>;
}

/// Declares what a query gives: a struct whose fields are the query's columns.
#[macro_export]
macro_rules! result {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name { $($(#[$fdoc])* pub $field: $type,)+ }

        impl $crate::Shape for $name {
            fn read(row: &tokio_postgres::Row) -> Result<Self, $crate::QueryError> {
                Ok(Self { $($field: $crate::reader::column(row, stringify!($field), stringify!($name))?,)+ })
            }
        }
    };
}

#[doc(hidden)]
pub fn column<C: Cell>(
    row: &tokio_postgres::Row,
    name: &'static str,
    _what: &'static str,
) -> Result<C, QueryError> {
    row.try_get::<_, Sql<C>>(name).map(|cell| cell.0).map_err(QueryError::Query)
}

/// The read models: to be read as they are, or not before they show something.
#[derive(Clone)]
pub struct ReadModels {
    pool: Pool,
    views: Arc<Views>,
}

impl ReadModels {
    /// Reads this release's through `pool`, whose connections assume the role `envoi_reader`.
    pub fn new(pool: Pool) -> Self {
        Self { pool, views: Views::current() }
    }

    /// Reads those of an edition: see [`Projector::edition`](crate::Projector::edition).
    pub fn of_edition(pool: Pool, edition: u32) -> Self {
        Self { pool, views: Arc::new(Views::of_edition(edition)) }
    }

    /// Reads them as they are.
    pub fn now(&self) -> Reader {
        Reader { pool: self.pool.clone(), views: Arc::clone(&self.views), showing: None }
    }

    /// Reads them where each of `projections` shows the event at `position`; a query that comes too early fails with
    /// [`QueryError::Behind`]. What this process knows of their progress does not count: a crash of the database may have
    /// taken some of it back.
    pub fn showing(&self, projections: &'static [&'static str], position: Position) -> Reader {
        Reader { showing: Some((projections, position)), ..self.now() }
    }
}

/// Runs queries as role `envoi_reader`, to which row-level security applies.
#[derive(Clone)]
pub struct Reader {
    pool: Pool,
    views: Arc<Views>,
    showing: Option<(&'static [&'static str], Position)>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("showing", &self.showing).finish_non_exhaustive()
    }
}

impl Reader {
    /// Reads the read models as they are through `pool`, whose connections assume the role `envoi_reader`.
    pub fn new(pool: Pool) -> Self {
        ReadModels::new(pool).now()
    }

    /// Runs a constant query for `viewer`, read-only, with the viewer's settings in the same round trip. In it `read.` stands
    /// before the names of relations.
    ///
    /// # Errors
    /// When PostgreSQL cannot be reached, the read models do not show yet what they have to, or a row is of another shape.
    pub async fn all<R: Shape>(
        &self,
        viewer: &Viewer,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<R>, QueryError> {
        let client = self.pool.get().await.map_err(QueryError::Connect)?;
        let sql = self.views.query(sql);
        let (shows, rows) =
            run(&client, viewer, self.has_to_show(), &sql, parameters).await.map_err(QueryError::Query)?;
        if !shows {
            return Err(QueryError::Behind);
        }
        rows.iter().map(R::read).collect()
    }

    /// As [`Reader::all`], for queries that give one row at most.
    ///
    /// # Errors
    /// As [`Reader::all`].
    pub async fn one<R: Shape>(
        &self,
        viewer: &Viewer,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<R>, QueryError> {
        Ok(self.all(viewer, sql, parameters).await?.into_iter().next())
    }
}

/// One question of a snapshot.
pub struct Ask<'a> {
    /// For whom.
    pub viewer: Viewer,
    /// A constant query.
    pub sql: &'static str,
    /// Its parameters.
    pub parameters: Vec<&'a (dyn ToSql + Sync)>,
}

/// What was there at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// Every event up to here, and perhaps some behind it, shows in the answers: the least of the projections' checkpoints.
    pub position: Position,
    /// The rows, a question each.
    pub answers: Vec<Vec<tokio_postgres::Row>>,
}

impl Reader {
    /// Asks several questions of one moment, read-only, in one round trip. `projections` are those that the questions look at.
    ///
    /// # Errors
    /// When PostgreSQL cannot be reached, or the read models do not show yet what they have to, or are not there.
    pub async fn snapshot(&self, projections: &[&str], asks: &[Ask<'_>]) -> Result<Snapshot, QueryError> {
        let client = self.pool.get().await.map_err(QueryError::Connect)?;
        let queries: Vec<_> = asks.iter().map(|ask| self.views.query(ask.sql)).collect();
        let of = (projections, self.views.fingerprints(projections));
        let seen = look_at_once(&client, self.has_to_show(), of, asks, &queries).await;
        let (shows, position, answers) = seen.map_err(QueryError::Query)?;
        match position {
            Some(position) if shows => Ok(Snapshot { position, answers }),
            Some(_) | None => Err(QueryError::Behind),
        }
    }

    fn has_to_show(&self) -> Option<Showing> {
        let (names, position) = self.showing?;
        Some(Showing { names, fingerprints: self.views.fingerprints(names), position })
    }
}

const SETTINGS: &str =
    "SELECT set_config('envoi.account', $1, true), set_config('envoi.organization', $2, true)";
/// Whether every one of these projections shows the event at this position. It comes before the query, which sees no less.
const SHOWS: &str = "SELECT count(*) = cardinality($1::text[]) FROM unnest($1::text[], $3::bytea[]) AS k(name, fingerprint) \
     JOIN projection.checkpoints USING (name, fingerprint) WHERE position >= $2";

/// What a query has to see.
struct Showing {
    names: &'static [&'static str],
    fingerprints: Vec<Vec<u8>>,
    position: Position,
}

/// How far all of these projections are; null when one is not there.
const LEAST: &str = "SELECT CASE WHEN count(*) = cardinality($1::text[]) THEN min(coalesce(position, 0)) END \
     FROM unnest($1::text[], $2::bytea[]) AS k(name, fingerprint) JOIN projection.checkpoints USING (name, fingerprint)";

/// All statements are sent before the first answer comes: one round trip, and a caller that goes away cannot leave a
/// transaction open behind it. With the rows comes whether they are of late enough a state.
async fn run(
    client: &Connection,
    viewer: &Viewer,
    showing: Option<Showing>,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<(bool, Vec<tokio_postgres::Row>), tokio_postgres::Error> {
    let (settings, shows, query) =
        try_join3(client.prepare_cached(SETTINGS), client.prepare_cached(SHOWS), client.prepare_cached(sql))
            .await?;
    let account = viewer.account_id.to_string();
    let organization = viewer.organization_id.map(|id| id.to_string()).unwrap_or_default();
    let set: [&(dyn ToSql + Sync); 2] = [&account, &organization];
    let look = async {
        let Some(Showing { names, fingerprints, position }) = showing else { return Ok(true) };
        client.query_one(&shows, &[&names, &Sql(position), &fingerprints]).await?.try_get(0)
    };
    let (begun, set, shows, rows, committed) = join5(
        client.batch_execute("BEGIN READ ONLY"),
        client.query(&settings, &set),
        look,
        client.query(&query, parameters),
        client.batch_execute("COMMIT"),
    )
    .await;
    begun?;
    set?;
    let rows = rows?;
    committed?;
    Ok((shows?, rows))
}

/// As [`run`], for several queries that see the same.
async fn look_at_once(
    client: &Connection,
    showing: Option<Showing>,
    (projections, fingerprints): (&[&str], Vec<Vec<u8>>),
    asks: &[Ask<'_>],
    queries: &[Arc<str>],
) -> Result<(bool, Option<Position>, Vec<Vec<tokio_postgres::Row>>), tokio_postgres::Error> {
    let (settings, shows, least) = try_join3(
        client.prepare_cached(SETTINGS),
        client.prepare_cached(SHOWS),
        client.prepare_cached(LEAST),
    )
    .await?;
    let queries = try_join_all(queries.iter().map(|sql| client.prepare_cached(sql))).await?;
    let look = async {
        let Some(Showing { names, fingerprints, position }) = showing else { return Ok(true) };
        client.query_one(&shows, &[&names, &Sql(position), &fingerprints]).await?.try_get(0)
    };
    let answers = asks.iter().zip(&queries).map(|(ask, query)| async {
        let account = ask.viewer.account_id.to_string();
        let organization = ask.viewer.organization_id.map(|id| id.to_string()).unwrap_or_default();
        let set: [&(dyn ToSql + Sync); 2] = [&account, &organization];
        let (set, rows) = join(client.query(&settings, &set), client.query(query, &ask.parameters)).await;
        set?;
        rows
    });
    let (begun, shows, least, answers, committed) = join5(
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        look,
        client.query_one(&least, &[&projections, &fingerprints]),
        join_all(answers),
        client.batch_execute("COMMIT"),
    )
    .await;
    begun?;
    let answers = answers.into_iter().collect::<Result<_, tokio_postgres::Error>>()?;
    committed?;
    Ok((shows?, least?.try_get::<_, Sql<Option<Position>>>(0)?.0, answers))
}
