//! `envoi projections`: where the read models are, building them anew, comparing them with the log, parked streams.

mod decision;
mod discard;
mod parked;
mod rebuild;
mod retry;
mod status;
mod verify;

use std::sync::Arc;

use clap::Subcommand;
use eventstore_schema::EventLog;
use projections::Projector;
use prometheus::Registry;

use super::{CliError, Global};
use crate::runtime;

/// Arguments of `envoi projections`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Leave the event that parked a stream out of a projection, and go on behind it.
    Discard(discard::Args),
    /// List the streams that projections have parked.
    Parked(parked::Args),
    /// Build read models anew from the log, beside the live ones, then switch to them.
    Rebuild(rebuild::Args),
    /// Fold the event that parked a stream again.
    Retry(retry::Args),
    /// Show where each projection is and what is parked.
    Status(status::Args),
    /// Compare read models with what the log gives, and their relations with their definitions; fails when a row, view, policy,
    /// grant or index differs, and while a stream is parked.
    Verify(verify::Args),
}

/// Projections on the command line.
#[derive(clap::Args)]
struct Which {
    /// These projections; all without any.
    #[arg(value_name = "PROJECTION")]
    names: Vec<String>,
}

/// Runs `envoi projections`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    match args.verb {
        Verb::Discard(args) => discard::run(global, args).await,
        Verb::Parked(args) => parked::run(global, args).await,
        Verb::Rebuild(args) => rebuild::run(global, args).await,
        Verb::Retry(args) => retry::run(global, args).await,
        Verb::Status(args) => status::run(global, args).await,
        Verb::Verify(args) => verify::run(global, args).await,
    }
}

fn chosen(which: &Which) -> Result<Vec<Arc<dyn Projector>>, CliError> {
    if which.names.is_empty() {
        return Ok(projections::registry());
    }
    which.names.iter().try_for_each(|name| one(name).map(drop))?;
    let all = projections::registry().into_iter();
    Ok(all.filter(|one| which.names.iter().any(|name| name == one.name())).collect())
}

fn one(name: &str) -> Result<Arc<dyn Projector>, CliError> {
    let all = projections::registry();
    let known: Vec<&str> = all.iter().map(|one| one.name()).collect();
    let unknown = CliError::usage(format!("there is no projection {name}"))
        .hint(format!("one of {}", known.join(", ")));
    all.into_iter().find(|one| one.name() == name).ok_or(unknown)
}

/// The database and the log that are configured.
async fn stores(
    global: &Global,
) -> Result<(eventstore_schema::database::Config, Arc<dyn EventLog>), CliError> {
    let config = global.configuration()?;
    let database = runtime::database(&config)?;
    let log = runtime::engine::open(&config, &database, &Registry::new()).await?;
    Ok((database, log))
}

fn unreadable(error: &projections::StatusError) -> CliError {
    CliError::unavailable("the status of the projections cannot be read")
        .because(error)
        .hint("is PostgreSQL running, and has `envoi migrate` been run?")
}
