//! Verify: rebuilds into tables that nobody reads and compares what is in them with the live ones; compares the relations
//! themselves with their definitions; says what is parked.

use std::sync::Arc;

use domain::Digest;
use eventstore_schema::database::Config;
use eventstore_schema::lease::Leases;
use eventstore_schema::{EventLog, Position, ReadFilter};
use futures_util::TryStreamExt;
use tokio_postgres::Client;

use crate::checkpoint::{Checkpoint, Layout};
use crate::parked::{self, ParkedStream};
use crate::projector::{Item, Projector};
use crate::rebuild::{Builder, Keying, Meter, RebuildError, RebuildProgress, Scope, pass};
use crate::store::{Store, StoreError};
use crate::structure::{self, Difference};
use crate::table::{Table, names};

/// Most differing rows that are named for one table.
const DIFFERING_ROWS_MAX: i64 = 20;
/// Events folded at a time inside the comparing transaction.
const PAGE_EVENTS: usize = 1_024;

/// Content of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDigest {
    /// The table.
    pub table: &'static str,
    /// BLAKE3 of its rows in binary `COPY` format, ascending by key.
    pub digest: Digest,
}

/// A table compared with what the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTable {
    /// The table.
    pub table: &'static str,
    /// Digest of what queries see.
    pub live: Digest,
    /// Digest of what a rebuild gives.
    pub rebuilt: Digest,
    /// Keys of rows that differ, the first of them.
    pub differing: Vec<String>,
}

/// A projection compared with the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The projection.
    pub projection: &'static str,
    /// The position that was compared at.
    pub position: Option<Position>,
    /// Its tables.
    pub tables: Vec<VerifiedTable>,
    /// Relations that are not as they are defined.
    pub differences: Vec<Difference>,
    /// Streams that are parked: what is in the tables lacks their events, and so does what a rebuild gives.
    pub parked: Vec<ParkedStream>,
}

/// What [`verify`] calls what all projections share.
pub const SHARED: &str = "row-level security";

impl Verified {
    /// Whether every table is as the log says, every relation as it is defined, and nothing is parked.
    pub fn is_equal(&self) -> bool {
        self.tables.iter().all(|table| table.live == table.rebuilt)
            && self.differences.is_empty()
            && self.parked.is_empty()
    }
}

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Rebuilding beside the live tables failed.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// The tables are of another shape than this release makes, or there are none yet.
    #[error("{projection} has to be rebuilt first: its tables are not of this release's shape")]
    NotInstalled {
        /// The projection.
        projection: &'static str,
    },
}

impl From<StoreError> for VerifyError {
    fn from(error: StoreError) -> Self {
        VerifyError::Rebuild(error.into())
    }
}

/// Compares the live tables of each projector with what the log gives. The live ones go on meanwhile. The last of the answers,
/// [`SHARED`], is about what all projections share.
///
/// # Errors
/// See [`VerifyError`].
pub async fn verify(
    config: &Config,
    log: Arc<dyn EventLog>,
    projectors: Vec<Arc<dyn Projector>>,
    report: &(dyn Fn(RebuildProgress) + Send + Sync),
) -> Result<Vec<Verified>, VerifyError> {
    let head = log.head().await.map_err(RebuildError::from)?;
    let (leases, mut verified) = (Leases::start(config), Vec::new());
    let edition = projectors.first().map_or(0, |one| one.edition());
    for projector in projectors {
        let mut builder = Builder::begin(&leases, config, projector, head.incarnation, Keying::Early).await?;
        let live = live(&builder.store.client, &*builder.projector).await?;
        if let Some(until) = live.position() {
            let mut meter = Meter::new(head, report);
            let (built, _) = pass(&log, vec![builder], None, Some(until), &mut meter).await?;
            let Some(one) = built.into_iter().next() else { return Err(RebuildError::Aborted.into()) };
            builder = one;
        }
        verified.push(compare(&mut builder, &*log).await?);
        builder.execute(&format!("DROP SCHEMA {} CASCADE", builder.schema)).await?;
        builder.release().await?;
    }
    let store = Store::connect(config).await?;
    let differences = structure::compare_shared(&store, edition).await?;
    let (tables, parked) = (Vec::new(), Vec::new());
    verified.push(Verified { projection: SHARED, position: None, tables, differences, parked });
    Ok(verified)
}

/// Digests of a projection's live tables, all of one moment, and the position they are at.
///
/// # Errors
/// When PostgreSQL cannot be reached or the tables are not of this release's shape.
pub async fn digests(
    config: &Config,
    projector: &dyn Projector,
) -> Result<(Option<Position>, Vec<TableDigest>), VerifyError> {
    let store = Store::connect(config).await?;
    store.execute(SNAPSHOT).await?;
    let live = live(&store.client, projector).await?;
    let schema = Layout(projector).schema(live.generation);
    let mut digests = Vec::new();
    for def in projector.tables() {
        let table = def.table();
        digests.push(TableDigest { table: table.name, digest: digest(&store.client, &schema, table).await? });
    }
    store.execute("ROLLBACK").await?;
    Ok((live.position(), digests))
}

/// One view of everything until the transaction's end; whole tables are read, so plans may read whole tables.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL enable_seqscan = on; \
     SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on";

async fn live(client: &Client, projector: &dyn Projector) -> Result<Checkpoint, VerifyError> {
    let live = Checkpoint::read(client, projector).await?;
    live.ok_or(VerifyError::NotInstalled { projection: projector.name() })
}

/// In one transaction that sees the live tables as they are at its start and its own writes: folds the rest up to the live
/// checkpoint, then compares.
async fn compare(builder: &mut Builder, log: &dyn EventLog) -> Result<Verified, VerifyError> {
    builder.store.execute(SNAPSHOT).await?;
    let live = live(&builder.store.client, &*builder.projector).await?;
    let schema = Layout(&*builder.projector).schema(live.generation);
    while builder.position() < live.position() {
        let page = log.read_all(builder.position(), PAGE_EVENTS, &ReadFilter::all()).await;
        let mut page = page.map_err(RebuildError::from)?;
        page.retain(|event| Some(event.position) <= live.position());
        if page.is_empty() {
            break;
        }
        let items: Vec<_> = page.into_iter().map(Item::new).collect();
        builder.fold(&items, Scope::Open).await?;
    }
    let client = &builder.store.client;
    let mut tables = Vec::new();
    for def in builder.projector.tables() {
        let table = def.table();
        let live = digest(client, &schema, table).await?;
        let rebuilt = digest(client, &builder.schema, table).await?;
        let differing = match live == rebuilt {
            true => Vec::new(),
            false => differing(client, &schema, &builder.schema, table).await?,
        };
        tables.push(VerifiedTable { table: table.name, live, rebuilt, differing });
    }
    // Of the moment whose rows were compared.
    let parked = parked::of(client, &*builder.projector).await?;
    builder.store.execute("ROLLBACK").await?;
    let differences = structure::compare(&builder.store, &*builder.projector, &schema).await?;
    Ok(Verified { projection: builder.name(), position: live.position(), tables, differences, parked })
}

/// BLAKE3 of a table's rows in binary `COPY` format, ascending by key.
pub(crate) async fn digest(client: &Client, schema: &str, table: &Table) -> Result<Digest, StoreError> {
    let failed = || StoreError::at(format!("reading {} for its digest", table.name));
    let sql = format!(
        "COPY (SELECT {} FROM {schema}.{} ORDER BY {}) TO STDOUT BINARY",
        table.column_list(),
        table.name,
        names(table.key)
    );
    let stream = client.copy_out(&sql).await.map_err(failed())?;
    let mut stream = std::pin::pin!(stream);
    let mut hasher = blake3::Hasher::new();
    while let Some(bytes) = stream.try_next().await.map_err(failed())? {
        hasher.update(&bytes);
    }
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}

async fn differing(
    client: &Client,
    live: &str,
    rebuilt: &str,
    table: &Table,
) -> Result<Vec<String>, StoreError> {
    let (list, name) = (table.column_list(), table.name);
    let (one, other) =
        (format!("SELECT {list} FROM {live}.{name}"), format!("SELECT {list} FROM {rebuilt}.{name}"));
    let sql = format!(
        "SELECT DISTINCT concat_ws('/', {}) FROM (({one} EXCEPT {other}) UNION ALL ({other} EXCEPT {one})) AS rows \
         ORDER BY 1 LIMIT {DIFFERING_ROWS_MAX}",
        names(table.key)
    );
    let failed = || StoreError::at(format!("comparing {name}"));
    let rows = client.query(&sql, &[]).await.map_err(failed())?;
    rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(failed())
}
