//! `envoi reactions discard`: an event that was set aside is never answered.

use commands::reactions::ParkedEvent;
use commands::request::derived_id;
use domain::operations::commands::DiscardParkedEvent;
use domain::operations::{DiscardCause, reaction_digest};

use super::decision::{Decision, Place, Site};
use crate::cli::confirm::confirm;
use crate::cli::{CliError, Global, text};

/// Arguments of `envoi reactions discard`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// Runs `envoi reactions discard`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let site = Site::open(global, &args.place).await?;
    let parked = site.parked().await?;
    confirm(&meaning(&parked), "Discard it?", args.yes)?;
    let (reaction, event_id) = (reaction_digest(&parked.reaction), parked.event_id);
    let command = DiscardParkedEvent { reaction, event_id, cause: DiscardCause::Operator };
    // Two operators who decide the same decide once.
    let id = derived_id("discard parked event", &[reaction.as_bytes(), event_id.as_bytes()]);
    site.carry_out(Decision { verb: "discard", id, parked, command: command.into() }).await
}

fn meaning(parked: &ParkedEvent) -> String {
    let ParkedEvent { reaction, position, event_type, stream, ordering_key, .. } = parked;
    let reason = text::printable(parked.reason.as_deref().unwrap_or("it waits for one before it"));
    format!(
        "The reaction {reaction} has not answered {event_type} at position {position} of {stream}\n\
         ({reason}).\n\
         Discarding it means that what follows from it never happens: the e-mail does not go, the session does not end, the\n\
         device is neither brought into conversations nor taken out. What waits behind it of {ordering_key}\n\
         goes on. The log keeps the event. This cannot be taken back. If mending the cause or a newer release may help, do\n\
         that in place of this: it is tried again by itself.",
    )
}
