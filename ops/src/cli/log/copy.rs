//! `envoi log copy`: moves an installation from one log engine to another.

use commands::reactions;
use eventstore_schema::copy;
use eventstore_schema::database::{self, Role};
use prometheus::Registry;
use serde_json::json;

use crate::cli::confirm::confirm;
use crate::cli::progress::Bar;
use crate::cli::{CliError, Global};
use crate::config::Config;
use crate::runtime::{self, engine};

/// Connections of the write side that it takes.
const CONNECTIONS: usize = 2;

/// Arguments of `envoi log copy`.
#[derive(clap::Args)]
pub struct Args {
    /// The engine to copy to: `postgres` (the configured database), or the connection string of an EventStoreDB cluster.
    #[arg(long, value_name = "ENGINE")]
    to: String,
    /// What the names of its streams begin with there; as configured unless given.
    #[arg(long, value_name = "PREFIX")]
    to_prefix: Option<String>,
    /// Every server of the installation is stopped: do not ask.
    #[arg(long)]
    yes: bool,
}

/// Runs `envoi log copy`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let from_config = global.configuration()?;
    let mut to_config = Config { log: args.to.as_str().into(), ..from_config.clone() };
    to_config.log_stream_prefix = args.to_prefix.unwrap_or(to_config.log_stream_prefix);
    engine::check(&to_config)?;
    if (&from_config.log, &from_config.log_stream_prefix) == (&to_config.log, &to_config.log_stream_prefix) {
        return Err(CliError::usage("the log would be copied onto itself")
            .hint("`--to` names another engine than `log` in the configuration"));
    }
    confirm(
        "Every server of this installation has to be stopped until the configuration names the new log:\n\
         what is written to the old one after it was copied is lost.",
        "Are they stopped?",
        args.yes,
    )?;
    let database = runtime::database(&from_config)?;
    let from = engine::open(&from_config, &database, &Registry::new()).await?;
    let to = engine::open(&to_config, &database, &Registry::new()).await?;
    let pool = database::pool(&database, Role::App, CONNECTIONS)
        .map_err(|error| CliError::usage("the pool of the write side").because(&error))?;
    let unreadable =
        |error: &eventstore_schema::LogError| CliError::unavailable("a log cannot be read").because(error);
    let (old, new) = (
        from.head().await.map_err(|error| unreadable(&error))?.incarnation,
        to.head().await.map_err(|error| unreadable(&error))?.incarnation,
    );
    let (followed, positions) = reactions::checkpoints(&pool)
        .await
        .map_err(|error| CliError::unavailable("the checkpoints cannot be read").because(&error))?;
    // Checkpoints that were moved already are no positions of the old log.
    let marks = if followed == Some(new) { Default::default() } else { positions };

    let bar = Bar::new(global.output);
    let report = |events: u64| bar.at(events, events);
    let copied = copy::copy(&*from, &*to, &marks, &report).await;
    bar.finish();
    let copied = copied.map_err(|error| {
        CliError::failed("the log was not copied whole; the old one is as it was")
            .because(&error)
            .hint("copying again goes on where it stopped, unless the message says that it has to begin anew")
    })?;
    let moved = reactions::relocate(&pool, old, new, &copied.moved).await.map_err(|error| {
        CliError::failed("the log is copied, but the checkpoints of reactions were not moved").because(&error)
    })?;
    let value = json!({
        "events": copied.events, "from": from.engine(), "to": to.engine(),
        "incarnation": new.0, "checkpoints_moved": moved,
    });
    global.output.result(&value, || {
        format!(
            "{} events copied from {} to {}, each with the hash it had.\n\
             Next: set `log` to the new engine in every configuration, run `envoi projections rebuild`, start the servers.",
            copied.events,
            from.engine(),
            to.engine()
        )
    });
    Ok(())
}
