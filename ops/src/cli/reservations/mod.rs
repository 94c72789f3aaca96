//! `envoi reservations`: what is unique across streams, as the write side keeps it.

mod rebuild;

use clap::Subcommand;

use super::{CliError, Global};

/// Arguments of `envoi reservations`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Restore from the log what is missing of the addresses that accounts have.
    Rebuild(rebuild::Args),
}

/// Runs `envoi reservations`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    match args.verb {
        Verb::Rebuild(args) => rebuild::run(global, args).await,
    }
}
