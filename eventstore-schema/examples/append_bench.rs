//! Measures appends against the plain-SQL limit on a durable cluster of its own; prints JSON.

use std::sync::Arc;
use std::time::Duration;

use eventstore_schema::bench::{Ids, appends_per_second, limit_events_per_second};
use eventstore_schema::cluster::{Cluster, ClusterConfig};
use eventstore_schema::{EventLog, PgEventLog, PgLogConfig, database, migrate};
use uuid::Uuid;

const CALLERS: u64 = 256;
const ROUNDS: u32 = 3;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::temp_dir().join(format!("envoi-append-bench-{}", std::process::id()));
    let mut config = ClusterConfig::new(&directory);
    config.shared_buffers_mib = 512;
    let cluster = Cluster::start(config)?;
    let result = measure(&cluster).await;
    cluster.destroy()?;
    result
}

async fn measure(cluster: &Cluster) -> Result<(), Box<dyn std::error::Error>> {
    let (mut appends, mut limits) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let name = format!("round_{round}");
        cluster.ensure_database(&name).await?;
        let mut owner = database::connect(&cluster.config(&name)).await?;
        migrate(&mut owner).await?;
        let log: Arc<dyn EventLog> =
            Arc::new(PgEventLog::connect(PgLogConfig::new(cluster.config(&name))).await?);
        let ids = Ids::of_run(Uuid::from_u128(u128::from(round)));
        let (warm_up, measured) = (Duration::from_secs(1), Duration::from_secs(5));
        appends.push(appends_per_second(log, ids, CALLERS, warm_up, measured).await?);
        limits.push(limit_events_per_second(&owner, CALLERS as i64, measured).await?);
    }
    let mean = |figures: &[f64]| figures.iter().sum::<f64>() / figures.len() as f64;
    println!(
        "{}",
        serde_json::json!({
            "appends_per_second": mean(&appends).round(),
            "limit_events_per_second": mean(&limits).round(),
            "ratio": mean(&appends) / mean(&limits),
            "rounds": appends.iter().zip(&limits).map(|(a, l)| [a.round(), l.round()]).collect::<Vec<_>>(),
        })
    );
    Ok(())
}
