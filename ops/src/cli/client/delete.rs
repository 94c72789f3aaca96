//! `envoi client delete`: a message is gone for everyone.

use domain::ConversationId;
use serde_json::json;

use super::{Place, explain};
use crate::cli::CliError;

/// Arguments of `envoi client delete`.
#[derive(clap::Args)]
pub struct Args {
    /// In which conversation.
    conversation: ConversationId,
    /// Number of the message.
    number: u64,
}

/// Runs `envoi client delete`.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    place.client()?.delete_message(args.conversation, args.number).await.map_err(explain)?;
    place.output.result(&json!({ "deleted": args.number }), || {
        format!("Message {} is deleted for everyone.", args.number)
    });
    Ok(())
}
