//! `envoi client send`: an encrypted message.

use std::io::Read;

use domain::ConversationId;
use envoi_client::e2ee::Content;
use serde_json::json;

use super::Place;
use crate::cli::CliError;

/// Arguments of `envoi client send`.
#[derive(clap::Args)]
pub struct Args {
    /// To which conversation.
    conversation: ConversationId,
    /// The text; `-` for standard input.
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// Number of the message that it answers.
    #[arg(long, value_name = "NUMBER")]
    reply_to: Option<u64>,
}

/// Runs `envoi client send`.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    let opened = place.open()?;
    let Args { conversation, text: given, reply_to } = args;
    let content = Content::text(text(given)?);
    let messages = opened.client.messages();
    let sent = opened.with_keys(async || messages.send(conversation, &content, reply_to).await).await?;
    // Devices that came later get the key from whoever comes by; that it fails now harms nobody.
    if let Err(error) = opened.client.conversations().give_wraps(conversation).await {
        tracing::debug!(%conversation, %error, "waiting devices were not given the key");
    }
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
