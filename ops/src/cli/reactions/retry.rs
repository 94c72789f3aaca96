//! `envoi reactions retry`: an event that was set aside is answered again, now.

use domain::operations::commands::RetryParkedEvent;
use domain::operations::reaction_digest;

use super::decision::{Decision, Place, Site};
use crate::cli::{CliError, Global};

/// Arguments of `envoi reactions retry`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
}

/// Runs `envoi reactions retry`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let site = Site::open(global, &args.place).await?;
    let parked = site.parked().await?;
    if parked.retry_at.is_none() {
        return Err(CliError::usage(format!(
            "it waits for one before it of {}, which has to be answered first",
            parked.ordering_key
        ))
        .hint("`envoi reactions list` shows which"));
    }
    let command = RetryParkedEvent { reaction: reaction_digest(&parked.reaction), event_id: parked.event_id };
    let id = site.new_command_id();
    site.carry_out(Decision { verb: "retry", id, parked, command: command.into() }).await
}
