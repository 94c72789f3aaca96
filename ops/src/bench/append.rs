//! One-event appends from many callers, and the plain-SQL limit on the same rows in the same run.

use std::sync::Arc;
use std::time::Duration;

use eventstore_schema::bench::{
    Ids, appends_per_second, limit_events_per_second, subscribed_events_per_second,
};
use eventstore_schema::database;
use prometheus::Registry;
use serde::Serialize;
use uuid::Uuid;

use super::{machine, median};
use crate::cli::CliError;
use crate::runtime::scratch::{LogChoice, Scratch};
use crate::runtime::{self, engine};

/// Most events that the subscriber reads.
const SUBSCRIBED_EVENTS_MAX: u64 = 200_000;

/// What was measured. What belongs to plain SQL is left out when the log is not in PostgreSQL.
#[derive(Serialize)]
pub struct Report {
    /// Median of the rounds.
    pub appends_per_second: f64,
    /// Median of the rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_events_per_second: Option<f64>,
    /// Median of the rounds' ratios.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// How fast a subscriber reads what was appended; median of the rounds.
    pub subscription_events_per_second: f64,
    /// Every round.
    pub rounds: Vec<Round>,
    /// Callers at once.
    pub callers: u64,
    /// Name of the engine.
    pub engine: &'static str,
    /// Where.
    pub machine: serde_json::Value,
}

/// One round.
#[derive(Serialize)]
pub struct Round {
    appends: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<f64>,
    subscription: f64,
}

/// Measures `rounds` times for `measured` each.
///
/// # Errors
/// When PostgreSQL does not start, the log cannot be used or an append fails.
pub async fn run(callers: u64, rounds: u32, measured: Duration, log: &LogChoice) -> Result<Report, CliError> {
    let mut figures = Vec::new();
    let mut engine = "";
    for round in 0..rounds {
        // The limit leaves a log of no use behind: each round has one of its own.
        let scratch = Scratch::start(log).await?;
        let run = Ids::of_run(Uuid::from_u128(u128::from(round)));
        let figure = measure(&scratch, run, callers, measured, log.is_private()).await;
        scratch.remove().await?;
        let (name, figure) = figure?;
        engine = name;
        figures.push(figure);
    }
    let of = |figure: fn(&Round) -> f64| median(&figures.iter().map(figure).collect::<Vec<_>>());
    let limit = |figure: fn(&Round) -> f64| log.is_private().then(|| of(figure));
    Ok(Report {
        appends_per_second: of(|round| round.appends).round(),
        limit_events_per_second: limit(|round| round.limit.unwrap_or_default()).map(f64::round),
        ratio: limit(|round| round.appends / round.limit.unwrap_or(f64::INFINITY)),
        subscription_events_per_second: of(|round| round.subscription).round(),
        rounds: figures,
        callers,
        engine,
        machine: machine(),
    })
}

async fn measure(
    scratch: &Scratch,
    ids: Ids,
    callers: u64,
    measured: Duration,
    limited: bool,
) -> Result<(&'static str, Round), CliError> {
    let failed =
        |error: &(dyn std::error::Error + 'static)| CliError::failed("the bench failed").because(error);
    let config = scratch.configuration();
    let database = runtime::database(&config)?;
    let log = engine::open(&config, &database, &Registry::new()).await?;
    let engine = log.engine();
    let warm_up = Duration::from_secs(1);
    let appends = appends_per_second(Arc::clone(&log), ids, callers, warm_up, measured)
        .await
        .map_err(|error| failed(&error))?;
    let subscription =
        subscribed_events_per_second(&*log, SUBSCRIBED_EVENTS_MAX).await.map_err(|error| failed(&error))?;
    drop(log);
    let limit = if limited {
        let owner = database::connect(&database).await.map_err(|error| failed(&error))?;
        let streams = i64::try_from(callers).unwrap_or(i64::MAX);
        Some(limit_events_per_second(&owner, streams, measured).await.map_err(|error| failed(&error))?)
    } else {
        None
    };
    Ok((engine, Round { appends, limit, subscription }))
}
