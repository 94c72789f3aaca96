//! One-event appends from many callers, and the plain-SQL limit on the same rows in the same run.

use std::sync::Arc;
use std::time::Duration;

use eventstore_schema::bench::{Ids, appends_per_second, limit_events_per_second};
use eventstore_schema::{EventLog, PgEventLog, PgLogConfig, database};
use serde::Serialize;
use uuid::Uuid;

use super::{Scratch, machine, median};
use crate::cli::CliError;

/// What was measured.
#[derive(Serialize)]
pub struct Report {
    /// Median of the rounds.
    pub appends_per_second: f64,
    /// Median of the rounds.
    pub limit_events_per_second: f64,
    /// Median of the rounds' ratios.
    pub ratio: f64,
    /// Appends and limit of each round.
    pub rounds: Vec<(f64, f64)>,
    /// Callers at once.
    pub callers: u64,
    /// Where.
    pub machine: serde_json::Value,
}

/// Measures `rounds` times for `measured` each.
///
/// # Errors
/// When PostgreSQL does not start or an append fails.
pub async fn run(callers: u64, rounds: u32, measured: Duration) -> Result<Report, CliError> {
    let scratch = Scratch::start().await?;
    let result = measure(&scratch, callers, rounds, measured).await;
    scratch.remove().await?;
    result
}

async fn measure(
    scratch: &Scratch,
    callers: u64,
    rounds: u32,
    measured: Duration,
) -> Result<Report, CliError> {
    let cluster = scratch.private().cluster();
    let mut figures = Vec::new();
    for round in 0..rounds {
        // The limit leaves a log of no use behind: each round has a database of its own.
        let name = format!("round_{round}");
        let failed =
            |error: &(dyn std::error::Error + 'static)| CliError::failed("the bench failed").because(error);
        cluster.ensure_database(&name).await.map_err(|error| failed(&error))?;
        let mut owner = database::connect(&cluster.config(&name)).await.map_err(|error| failed(&error))?;
        eventstore_schema::migrate(&mut owner).await.map_err(|error| failed(&error))?;
        let log = PgEventLog::connect(PgLogConfig::new(cluster.config(&name)))
            .await
            .map_err(|error| failed(&error))?;
        let log: Arc<dyn EventLog> = Arc::new(log);
        let ids = Ids::of_run(Uuid::from_u128(u128::from(round)));
        let appends = appends_per_second(log, ids, callers, Duration::from_secs(1), measured)
            .await
            .map_err(|error| failed(&error))?;
        let streams = i64::try_from(callers).unwrap_or(i64::MAX);
        let limit =
            limit_events_per_second(&owner, streams, measured).await.map_err(|error| failed(&error))?;
        figures.push((appends, limit));
    }
    let of = |figure: fn(&(f64, f64)) -> f64| median(&figures.iter().map(figure).collect::<Vec<_>>());
    Ok(Report {
        appends_per_second: of(|round| round.0).round(),
        limit_events_per_second: of(|round| round.1).round(),
        ratio: of(|round| round.0 / round.1),
        rounds: figures,
        callers,
        machine: machine(),
    })
}
