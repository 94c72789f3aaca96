//! `envoi log`: the log itself.

mod adopt;
mod copy;
mod verify;

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
    /// Take a log that was restored from a backup for the one to go on with.
    Adopt(adopt::Args),
    /// Copy the log into another engine, with the checkpoints of what follows it.
    Copy(copy::Args),
    /// Compare the log with itself: hashes, order, commands, and on demand every rule.
    Verify(verify::Args),
}

/// Runs `envoi log`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    match args.verb {
        Verb::Adopt(args) => adopt::run(global, args).await,
        Verb::Copy(args) => copy::run(global, args).await,
        Verb::Verify(args) => verify::run(global, args).await,
    }
}
