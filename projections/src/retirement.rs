//! What becomes of read models of a release that no process is of any more: they are dropped.
//!
//! Every process says now and then which read models it uses. Those that nobody spoke of for a while go, with their checkpoint
//! and what was parked. How long that is, each process sees for itself, while it can look: an outage of the database, in which
//! nobody can speak, does not count. A process that comes back later finds nothing and fills its tables anew, as a new release
//! does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Digest;
use eventstore_schema::database::Config;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::acquainted;
use crate::cell::Sql;
use crate::checkpoint::get;
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

/// After how many rounds that failed in a row it is said: others may take what this process uses for unused.
const FAILED_ROUNDS_MAX: u32 = 5;

/// A set of tables: projection, fingerprint and generation.
type Tables = (String, Digest, i32);

/// When each was last used, as written down, and since when this process knows that.
type Seen = HashMap<Tables, (Option<String>, Instant)>;

/// Says which read models this process uses, and drops those that nobody does if it leads projections, for ever.
pub(crate) async fn run(config: Config, projectors: Vec<Arc<dyn Projector>>, leads: bool, times: Times) {
    let (mut seen, mut failed) = (Seen::new(), 0_u32);
    loop {
        match round(&config, &projectors, leads, times.unused_after, &mut seen).await {
            Ok(()) => failed = 0,
            Err(error) => {
                // Others could not speak either, for all that is known.
                seen.clear();
                failed = failed.saturating_add(1);
                if failed == FAILED_ROUNDS_MAX {
                    tracing::warn!(%error, "which read models are in use could not be said for a while");
                } else {
                    tracing::debug!(%error, "which read models are in use could not be said");
                }
            }
        }
        tokio::time::sleep(times.tell_every).await;
    }
}

async fn round(
    config: &Config,
    projectors: &[Arc<dyn Projector>],
    leads: bool,
    unused_after: Duration,
    seen: &mut Seen,
) -> Result<(), StoreError> {
    let client = connect(config).await?;
    tell(&client, projectors).await?;
    if !leads {
        return Ok(());
    }
    look(&client, seen).await?;
    let is_own = |name: &str, fingerprint: Digest| {
        projectors.iter().any(|one| one.name() == name && one.fingerprint() == fingerprint)
    };
    let unused: Vec<_> = seen
        .iter()
        .filter(|((name, fingerprint, _), (_, since))| {
            since.elapsed() >= unused_after && !is_own(name, *fingerprint)
        })
        .map(|(tables, (used_at, _))| (tables.clone(), used_at.clone()))
        .collect();
    for (tables, used_at) in unused {
        // A query that reads them still puts it off to the next round, and the others not at all.
        if let Err(error) = drop_unused(&client, &tables, used_at.as_deref()).await {
            tracing::debug!(%error, projection = tables.0, "read models that nobody uses are there still");
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

/// Takes in when each set of tables was last used.
async fn look(client: &Client, seen: &mut Seen) -> Result<(), StoreError> {
    const SQL: &str = "SELECT name, fingerprint, generation, used_at::text AS used_at FROM projection.checkpoints \
         LEFT JOIN projection.uses USING (name, fingerprint)";
    let failed = || StoreError::at("looking for read models that nobody uses");
    let rows = client.query(SQL, &[]).await.map_err(failed())?;
    let mut now = Seen::new();
    for row in &rows {
        let read = || Ok((get(row, "name")?, get(row, "fingerprint")?, get(row, "generation")?));
        let tables: Tables = read().map_err(failed())?;
        let used_at: Option<String> = row.try_get("used_at").map_err(failed())?;
        let known = seen.remove(&tables).filter(|(before, _)| *before == used_at);
        now.insert(tables, (used_at, known.map_or_else(Instant::now, |(_, since)| since)));
    }
    *seen = now;
    Ok(())
}

/// Drops them if nobody spoke of them since, and they are still that generation.
async fn drop_unused(
    client: &Client,
    (name, fingerprint, generation): &Tables,
    used_at: Option<&str>,
) -> Result<(), StoreError> {
    const BEGIN: &str =
        "BEGIN; SET LOCAL lock_timeout = '200ms'; LOCK TABLE projection.uses IN SHARE ROW EXCLUSIVE MODE";
    const USED: &str = "SELECT FROM projection.uses WHERE name = $1 AND fingerprint = $2 \
         AND used_at::text IS DISTINCT FROM $3";
    const CHECKPOINT: &str =
        "DELETE FROM projection.checkpoints WHERE name = $1 AND fingerprint = $2 AND generation = $3";
    const OTHERS: &[&str] = &[
        "DELETE FROM projection.uses WHERE name = $1 AND fingerprint = $2",
        "DELETE FROM projection.parked_events WHERE projection = $1 AND fingerprint = $2",
    ];
    let dropping = async {
        client.batch_execute(BEGIN).await?;
        let fingerprint_ = Sql(*fingerprint);
        if client.query_opt(USED, &[name, &fingerprint_, &used_at]).await?.is_some() {
            return Ok(false);
        }
        // Another process may have dropped them, and the number may be another release's by now.
        if client.execute(CHECKPOINT, &[name, &fingerprint_, generation]).await? != 1 {
            return Ok(false);
        }
        let key: [&(dyn ToSql + Sync); 2] = [name, &fingerprint_];
        for sql in OTHERS {
            client.execute(*sql, &key).await?;
        }
        let (views, tables) = (views_schema(name, *fingerprint), format!("rm_{name}_{generation}"));
        let sql = format!(
            "DROP SCHEMA IF EXISTS \"{views}\" CASCADE; DROP SCHEMA IF EXISTS \"{tables}\" CASCADE; COMMIT"
        );
        client.batch_execute(&sql).await?;
        Ok(true)
    };
    let dropped = dropping.await;
    if !matches!(dropped, Ok(true)) {
        let _ = client.batch_execute("ROLLBACK").await;
    }
    if dropped.map_err(StoreError::at("dropping read models that nobody uses"))? {
        tracing::info!(projection = name, generation, "dropped read models that no process uses any more");
    }
    Ok(())
}

/// Drops the functions of row-level security that no policy asks any more.
async fn drop_functions(client: &Client, edition: u32) -> Result<(), StoreError> {
    const SQL: &str = "SELECT n.nspname || '.' || p.proname FROM pg_proc AS p \
         JOIN pg_namespace AS n ON n.oid = p.pronamespace \
         WHERE n.nspname = 'projection' AND p.proname LIKE 'acquainted\\_%' AND p.oid IS DISTINCT FROM to_regprocedure($1)";
    let failed = || StoreError::at("dropping functions that nothing asks");
    let ours = format!("{}(uuid)", acquainted::name(edition));
    for row in client.query(SQL, &[&ours]).await.map_err(failed())? {
        let function: String = row.try_get(0).map_err(failed())?;
        match client.batch_execute(&acquainted::drop(&function)).await {
            Err(error) if error.code() != Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) => {
                return Err(failed()(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
