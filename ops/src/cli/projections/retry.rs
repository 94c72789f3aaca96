//! `envoi projections retry`: the event that parked a stream is folded again.

use domain::operations::commands::RetryParkedStream;

use super::decision::{Decision, Site};
use crate::cli::{CliError, Global};

/// Arguments of `envoi projections retry`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: super::decision::Place,
}

/// Runs `envoi projections retry`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let site = Site::open(global, &args.place).await?;
    let parked = site.parked().await?;
    let command = RetryParkedStream(parked.command());
    site.carry_out(Decision { verb: "retry", parked, command: command.into() }).await
}
