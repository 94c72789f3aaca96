//! `envoi client send`: an encrypted message.

use std::io::Read;

use domain::ConversationId;
use envoi_client::e2ee::Content;
use serde_json::json;

use super::{Place, explain};
use crate::cli::CliError;

/// Arguments of `envoi client send`.
#[derive(clap::Args)]
pub struct Args {
    /// To which conversation.
    conversation: ConversationId,
    /// The text; `-` for standard input.
    text: String,
    /// Number of the message that it answers.
    #[arg(long, value_name = "NUMBER")]
    reply_to: Option<u64>,
}

/// Runs `envoi client send`.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    let client = place.client()?;
    let text = text(args.text)?;
    let sent = client
        .messages()
        .send(args.conversation, &Content::text(text), args.reply_to)
        .await
        .map_err(explain)?;
    let value = json!({ "message_id": sent.message_id, "number": sent.number });
    place.output.result(&value, || format!("Message {} is sent.", sent.number));
    Ok(())
}

/// What was given, or standard input for `-`.
pub fn text(given: String) -> Result<String, CliError> {
    let text = if given == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| CliError::usage("the text cannot be read").because(&error))?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        given
    };
    if text.is_empty() {
        return Err(CliError::usage("there is no text to send"));
    }
    Ok(text)
}
