//! What becomes of read models of a release that no process is of any more: they are dropped.
//!
//! Every process says now and then which read models it uses. Those that nobody spoke of for a while go, with their checkpoint
//! and what was parked. A process that comes back later finds nothing and fills its tables anew, as a new release does.

use std::sync::Arc;
use std::time::Duration;

use domain::Digest;
use eventstore_schema::database::Config;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::acquainted;
use crate::cell::Sql;
use crate::checkpoint::{Layout, get};
use crate::projections::connect;
use crate::projector::Projector;
use crate::store::StoreError;
use crate::views::views_schema;

/// How often a process says what it uses, and for how long nobody has to before it is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) tell_every: Duration,
    pub(crate) unused_after: Duration,
}

impl Default for Times {
    /// Longer than a restart takes, and than a release is looked at before one goes back to the last.
    fn default() -> Self {
        Self { tell_every: Duration::from_secs(30), unused_after: Duration::from_secs(15 * 60) }
    }
}

/// Says which read models this process uses, and drops those that nobody does if it leads projections, for ever.
pub(crate) async fn run(config: Config, projectors: Vec<Arc<dyn Projector>>, leads: bool, times: Times) {
    loop {
        // Whether PostgreSQL is there, others watch.
        if let Err(error) = round(&config, &projectors, leads, times.unused_after).await {
            tracing::debug!(%error, "which read models are in use could not be said");
        }
        tokio::time::sleep(times.tell_every).await;
    }
}

async fn round(
    config: &Config,
    projectors: &[Arc<dyn Projector>],
    leads: bool,
    unused_after: Duration,
) -> Result<(), StoreError> {
    let client = connect(config).await?;
    tell(&client, projectors).await?;
    if !leads {
        return Ok(());
    }
    for projector in projectors {
        for unused in unused(&client, projector.name(), unused_after).await? {
            drop_unused(&client, &**projector, unused, unused_after).await?;
        }
    }
    drop_functions(&client, projectors.first().map_or(0, |one| one.edition())).await
}

async fn tell(client: &Client, projectors: &[Arc<dyn Projector>]) -> Result<(), StoreError> {
    // In one order, so that processes wait for one another only.
    const SQL: &str = "INSERT INTO projection.uses (name, fingerprint) \
         SELECT * FROM unnest($1::text[], $2::bytea[]) AS k(name, fingerprint) ORDER BY name \
         ON CONFLICT (name, fingerprint) DO UPDATE SET used_at = now()";
    let names: Vec<&str> = projectors.iter().map(|one| one.name()).collect();
    let fingerprints: Vec<_> = projectors.iter().map(|one| Sql(one.fingerprint())).collect();
    let told = client.execute(SQL, &[&names, &fingerprints]).await;
    told.map_err(StoreError::at("saying which read models are in use"))?;
    Ok(())
}

/// Fingerprint and generation of a projection's tables that nobody uses.
async fn unused(
    client: &Client,
    name: &str,
    unused_after: Duration,
) -> Result<Vec<(Digest, i32)>, StoreError> {
    const SQL: &str = "SELECT fingerprint, generation FROM projection.checkpoints LEFT JOIN projection.uses \
         USING (name, fingerprint) WHERE name = $1 \
         AND coalesce(used_at, '-infinity') < now() - make_interval(secs => $2)";
    let failed = || StoreError::at("looking for read models that nobody uses");
    let rows = client.query(SQL, &[&name, &unused_after.as_secs_f64()]).await.map_err(failed())?;
    let read = |row| Ok((get(row, "fingerprint")?, get(row, "generation")?));
    rows.iter().map(read).collect::<Result<_, _>>().map_err(failed())
}

/// Drops them if that is still so. A query that reads them still puts it off to the next round.
async fn drop_unused(
    client: &Client,
    projector: &dyn Projector,
    (fingerprint, generation): (Digest, i32),
    unused_after: Duration,
) -> Result<(), StoreError> {
    const USED: &str = "SELECT FROM projection.uses WHERE name = $1 AND fingerprint = $2 \
         AND used_at >= now() - make_interval(secs => $3)";
    const FORGET: &[&str] = &[
        "DELETE FROM projection.uses WHERE name = $1 AND fingerprint = $2",
        "DELETE FROM projection.checkpoints WHERE name = $1 AND fingerprint = $2",
        "DELETE FROM projection.parked_events WHERE projection = $1 AND fingerprint = $2",
    ];
    let name = projector.name();
    let failed = || StoreError::at("dropping read models that nobody uses");
    let begin = "BEGIN; SET LOCAL lock_timeout = '200ms'; LOCK TABLE projection.uses IN SHARE ROW EXCLUSIVE MODE";
    client.batch_execute(begin).await.map_err(failed())?;
    let dropped = async {
        let key: [&(dyn ToSql + Sync); 2] = [&name, &Sql(fingerprint)];
        let secs = unused_after.as_secs_f64();
        if client.query_opt(USED, &[&name, &Sql(fingerprint), &secs]).await?.is_some() {
            return Ok(false);
        }
        for sql in FORGET {
            client.execute(*sql, &key).await?;
        }
        let (views, tables) = (views_schema(name, fingerprint), Layout(projector).schema(generation));
        let sql = format!("DROP SCHEMA IF EXISTS {views} CASCADE; DROP SCHEMA IF EXISTS {tables} CASCADE");
        client.batch_execute(&sql).await?;
        Ok(true)
    };
    let dropped = dropped.await;
    let end = if matches!(dropped, Ok(true)) { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end).await.map_err(failed())?;
    if dropped.map_err(failed())? {
        tracing::info!(projection = name, generation, "dropped read models that no process uses any more");
    }
    Ok(())
}

/// Drops the functions of row-level security that no policy asks any more.
async fn drop_functions(client: &Client, edition: u32) -> Result<(), StoreError> {
    const SQL: &str = "SELECT p.oid::regprocedure::text FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace \
         WHERE n.nspname = 'projection' AND p.proname LIKE 'acquainted\\_%' AND p.oid IS DISTINCT FROM to_regprocedure($1)";
    let failed = || StoreError::at("dropping functions that nothing asks");
    let ours = format!("{}(uuid)", acquainted::name(edition));
    for row in client.query(SQL, &[&ours]).await.map_err(failed())? {
        let function: String = row.try_get(0).map_err(failed())?;
        match client.batch_execute(&format!("DROP FUNCTION IF EXISTS {function}")).await {
            Err(error) if error.code() != Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) => {
                return Err(failed()(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
