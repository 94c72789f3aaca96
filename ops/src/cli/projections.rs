//! `envoi projections`: where the read models are, building them anew, comparing them with the log, parked streams.

use std::sync::Arc;

use clap::Subcommand;
use projections::{Projector, RebuildProgress};
use prometheus::Registry;
use serde_json::{Value, json};

use super::{CliError, Global};
use crate::cli::progress::Bar;
use crate::runtime;

/// Arguments of `envoi projections`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show where each projection is and what is parked.
    Status,
    /// Build read models anew from the log, beside the live ones, then switch to them.
    Rebuild(Which),
    /// Compare read models with what the log gives; fails when a row differs.
    Verify(Which),
}

#[derive(clap::Args)]
struct Which {
    /// These projections; all without any.
    #[arg(value_name = "PROJECTION")]
    names: Vec<String>,
}

/// Runs `envoi projections`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    match args.verb {
        Verb::Status => status(global).await,
        Verb::Rebuild(which) => rebuild(global, &which).await,
        Verb::Verify(which) => verify(global, &which).await,
    }
}

fn chosen(which: &Which) -> Result<Vec<Arc<dyn Projector>>, CliError> {
    let all = projections::registry();
    if which.names.is_empty() {
        return Ok(all);
    }
    let known: Vec<&str> = all.iter().map(|one| one.name()).collect();
    if let Some(unknown) = which.names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(CliError::usage(format!("there is no projection {unknown}")).hint(known.join(", ")));
    }
    Ok(all.into_iter().filter(|one| which.names.iter().any(|name| name == one.name())).collect())
}

async fn status(global: &Global) -> Result<(), CliError> {
    let config = global.configuration()?;
    let database = runtime::database(&config)?;
    let log = runtime::log(&config, &database, &Registry::new()).await?;
    let unavailable =
        |error: &projections::StatusError| CliError::unavailable("the status cannot be read").because(error);
    let rows = projections::status(&database, &*log).await.map_err(|error| unavailable(&error))?;
    let parked = projections::parked(&database).await.map_err(|error| unavailable(&error))?;
    let value = json!({
        "projections": rows.iter().map(|row| json!({
            "projection": row.projection, "generation": row.generation, "state": row.state,
            "position": row.position.map(|at| at.get()), "lag": row.lag, "parked_streams": row.parked_streams,
            "parked_events": row.parked_events, "error": row.error,
        })).collect::<Vec<Value>>(),
        "parked": parked.iter().map(|row| json!({
            "projection": row.projection, "stream": row.stream, "position": row.position.get(),
            "event_type": row.event_type, "reason": row.reason, "events": row.events,
        })).collect::<Vec<Value>>(),
    });
    global.output.result(&value, || {
        if rows.is_empty() {
            return "No projection has run yet: `envoi serve` or `envoi projections rebuild` starts them."
                .to_owned();
        }
        let mut text = format!(
            "{:<16} {:>10} {:<11} {:>12} {:>8} {:>7}\n",
            "PROJECTION", "GENERATION", "STATE", "POSITION", "LAG", "PARKED"
        );
        for row in &rows {
            let position = row.position.map_or_else(|| "-".to_owned(), |at| at.to_string());
            text.push_str(&format!(
                "{:<16} {:>10} {:<11} {position:>12} {:>8} {:>7}\n",
                row.projection, row.generation, row.state, row.lag, row.parked_streams
            ));
            if let Some(error) = &row.error {
                text.push_str(&format!("    {error}\n"));
            }
        }
        for row in &parked {
            text.push_str(&format!(
                "parked: {} {} from position {} ({}): {}; {} events wait\n",
                row.projection, row.stream, row.position, row.event_type, row.reason, row.events
            ));
        }
        text
    });
    Ok(())
}

async fn rebuild(global: &Global, which: &Which) -> Result<(), CliError> {
    let config = global.configuration()?;
    let database = runtime::database(&config)?;
    let log = runtime::log(&config, &database, &Registry::new()).await?;
    let bar = Bar::new(global.output);
    let report = |at: RebuildProgress| bar.at(at.events, at.events_total);
    let rebuilt = projections::rebuild(&database, log, chosen(which)?, &report).await.map_err(|error| {
        CliError::failed("the read models are as they were: the rebuild failed").because(&error)
    })?;
    bar.finish();
    let seconds = rebuilt.elapsed.as_secs_f64();
    let rate = rebuilt.events as f64 / seconds.max(f64::MIN_POSITIVE);
    let value = json!({
        "events": rebuilt.events, "seconds": seconds, "events_per_second": rate,
        "generations": rebuilt.generations.iter().map(|(name, number)| json!({ "projection": name, "generation": number })).collect::<Vec<_>>(),
    });
    global.output.result(&value, || {
        format!(
            "{} events folded in {seconds:.1} s ({rate:.0}/s); {} read models switched",
            rebuilt.events,
            rebuilt.generations.len()
        )
    });
    Ok(())
}

async fn verify(global: &Global, which: &Which) -> Result<(), CliError> {
    let config = global.configuration()?;
    let database = runtime::database(&config)?;
    let log = runtime::log(&config, &database, &Registry::new()).await?;
    let bar = Bar::new(global.output);
    let report = |at: RebuildProgress| bar.at(at.events, at.events_total);
    let verified = projections::verify(&database, log, chosen(which)?, &report)
        .await
        .map_err(|error| CliError::failed("nothing could be compared").because(&error))?;
    bar.finish();
    let value: Vec<Value> = verified
        .iter()
        .map(|one| {
            let tables: Vec<Value> = one.tables.iter().map(|table| json!({
                "table": table.table, "equal": table.live == table.rebuilt, "live": table.live.to_string(),
                "rebuilt": table.rebuilt.to_string(), "differing": table.differing,
            })).collect();
            json!({ "projection": one.projection, "position": one.position.map(|at| at.get()), "equal": one.is_equal(), "tables": tables })
        })
        .collect();
    let equal = verified.iter().all(projections::Verified::is_equal);
    global.output.result(&json!({ "equal": equal, "projections": value }), || {
        let mut text = String::new();
        for one in &verified {
            for table in &one.tables {
                let word = if table.live == table.rebuilt { "equal" } else { "DIFFERS" };
                text.push_str(&format!(
                    "{:<16} {:<30} {word} {}\n",
                    one.projection,
                    table.table,
                    table.differing.join(" ")
                ));
            }
        }
        text
    });
    if equal {
        Ok(())
    } else {
        Err(CliError::check_failed("read models differ from the log")
            .hint("`envoi projections rebuild` builds them anew"))
    }
}
