//! `envoi client edit`: another text for a message.

use domain::ConversationId;
use envoi_client::api::messages::{Range, list};
use serde_json::json;

use super::{Place, explain, send};
use crate::cli::CliError;

/// Arguments of `envoi client edit`.
#[derive(clap::Args)]
pub struct Args {
    /// In which conversation.
    conversation: ConversationId,
    /// Number of the message.
    number: u64,
    /// The new text; `-` for standard input.
    #[arg(allow_hyphen_values = true)]
    text: String,
}

/// Runs `envoi client edit`.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    let opened = place.open()?;
    let client = &opened.client;
    let text = send::text(args.text)?;
    let before = Range::After(args.number.saturating_sub(1));
    let found = list(client.session(), args.conversation, before, 1).await;
    let found = found.map_err(|error| explain(error.into()))?;
    let message = found.into_iter().find(|message| message.number == args.number).ok_or_else(|| {
        CliError::usage(format!("there is no message {} in the conversation", args.number))
            .hint(format!("`envoi client history {}` shows the numbers", args.conversation))
    })?;
    let edit = async || client.edit_text(args.conversation, args.number, message.message_id, &text).await;
    opened.with_keys(edit).await?;
    place
        .output
        .result(&json!({ "edited": args.number }), || format!("Message {} has its new text.", args.number));
    Ok(())
}
