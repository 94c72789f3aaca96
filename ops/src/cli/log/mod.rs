//! `envoi log`: the log itself.

mod copy;

use clap::Subcommand;

use super::{CliError, Global};

/// Arguments of `envoi log`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Copy the log into another engine, with the checkpoints of what follows it.
    Copy(copy::Args),
}

/// Runs `envoi log`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    match args.verb {
        Verb::Copy(args) => copy::run(global, args).await,
    }
}
