//! `envoi client react`: a reaction to a message, encrypted as messages are.

use domain::ConversationId;
use domain::limits::REACTION_SLOTS_MAX;
use envoi_client::api::messages::clear_reaction;
use serde_json::json;

use super::{Place, explain};
use crate::cli::CliError;

/// Arguments of `envoi client react`.
#[derive(clap::Args)]
pub struct Args {
    /// In which conversation.
    conversation: ConversationId,
    /// Number of the message.
    number: u64,
    /// One emoji or a short word; none takes the reaction back.
    emoji: Option<String>,
    /// Which of your reactions to this message.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..i64::from(REACTION_SLOTS_MAX)))]
    slot: u8,
}

/// Runs `envoi client react`.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    let opened = place.open()?;
    let client = &opened.client;
    let Args { conversation, number, emoji, slot } = args;
    match &emoji {
        Some(emoji) => {
            let react = async || client.messages().react(conversation, number, slot, emoji).await;
            opened.with_keys(react).await?;
        }
        None => {
            let cleared = clear_reaction(client.session(), conversation, number, slot).await;
            cleared.map_err(|error| explain(error.into()))?;
        }
    }
    place.output.result(&json!({ "number": number, "slot": slot, "emoji": emoji }), || match emoji {
        Some(_) => format!("Your reaction to message {number} is set."),
        None => format!("Your reaction to message {number} is taken back."),
    });
    Ok(())
}
