//! `envoi projections rebuild`: read models built anew from the log.

use projections::RebuildProgress;
use serde_json::json;

use super::{Which, chosen, stores};
use crate::cli::progress::Bar;
use crate::cli::{CliError, Global};

/// Arguments of `envoi projections rebuild`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
}

/// Runs `envoi projections rebuild`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let chosen = chosen(&args.which)?;
    let (database, log) = stores(global).await?;
    let bar = Bar::new(global.output);
    let report = |at: RebuildProgress| bar.at(at.events, at.events_total);
    let rebuilt = projections::rebuild(&database, log, chosen, &report).await.map_err(|error| {
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
