//! `envoi reactions`: how far each reaction is, the events that were set aside, and what is decided about them.

mod decision;
mod discard;
mod list;
mod retry;
mod status;

use clap::Subcommand;
use commands::reactions::{self, ReactionError, Reactions};

use super::{CliError, Global};
use crate::runtime::Backend;

/// Arguments of `envoi reactions`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Have an event that was set aside never answered, and go on behind it.
    Discard(discard::Args),
    /// List the events that were set aside and are tried again, a page at a time.
    List(list::Args),
    /// Have an event that was set aside answered again now.
    Retry(retry::Args),
    /// Show how far each reaction is and how much it set aside; so does no verb at all.
    Status,
}

/// Runs `envoi reactions`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    match args.verb {
        Some(Verb::Discard(args)) => discard::run(global, args).await,
        Some(Verb::List(args)) => list::run(global, args).await,
        Some(Verb::Retry(args)) => retry::run(global, args).await,
        Some(Verb::Status) | None => status::run(global).await,
    }
}

/// The reactions of an installation.
async fn open(global: &Global) -> Result<(Backend, Reactions), CliError> {
    let backend = Backend::connect(&global.configuration()?).await?;
    let all = reactions::all(&backend.services, &backend.parts);
    let reactions = Reactions::new(all, backend.parts.clone());
    Ok((backend, reactions))
}

/// The name of a reaction that there is.
fn known(reactions: &Reactions, name: &str) -> Result<&'static str, CliError> {
    let names = reactions.names();
    let unknown =
        CliError::usage(format!("there is no reaction {name}")).hint(format!("one of {}", names.join(", ")));
    names.into_iter().find(|known| *known == name).ok_or(unknown)
}

fn unreadable(error: &ReactionError) -> CliError {
    CliError::unavailable("the reactions cannot be read").because(error)
}
