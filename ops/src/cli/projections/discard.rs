//! `envoi projections discard`: the event that parked a stream is left out.

use domain::operations::commands::DiscardParkedStream;
use projections::ParkedStream;

use super::decision::{Decision, Place, Site};
use crate::cli::confirm::confirm;
use crate::cli::{CliError, Global};

/// Arguments of `envoi projections discard`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// Only if it is the event at this position that parked the stream: for scripts, which then never discard another.
    #[arg(long)]
    position: Option<u64>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// Runs `envoi projections discard`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let site = Site::open(global, &args.place).await?;
    let parked = site.parked().await?;
    if let Some(expected) = args.position.filter(|expected| *expected != parked.position.get()) {
        return Err(CliError::usage(format!(
            "nothing was done: what parked {} is the event at position {}, not the one at {expected}",
            parked.stream, parked.position
        )));
    }
    confirm(&meaning(&parked), "Discard it?", args.yes)?;
    let command = DiscardParkedStream(parked.command());
    site.carry_out(Decision { verb: "discard", parked, command: command.into() }).await
}

fn meaning(parked: &ParkedStream) -> String {
    let ParkedStream { projection, stream, position, event_type, reason, events, .. } = parked;
    let behind = events.saturating_sub(1);
    format!(
        "The projection {projection} cannot fold {event_type} at position {position} of {stream}\n\
         ({reason}).\n\
         Discarding it leaves it out there: what it would have changed never shows. Events that wait behind it ({behind})\n\
         are folded without it. The log and the other projections keep it. This cannot be taken back: rebuilds leave it\n\
         out too, unless a release can fold it. If a newer release may be able to, update and retry in place of this."
    )
}
