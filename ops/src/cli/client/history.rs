//! `envoi client history`: messages of a conversation, decrypted.

use domain::ConversationId;
use envoi_client::api::messages::Range;
use envoi_client::messages::{Body, Message, Reaction};
use serde_json::{Value, json};

use super::names::Names;
use super::{Place, explain};
use crate::cli::{CliError, text};

/// Arguments of `envoi client history`.
#[derive(clap::Args)]
pub struct Args {
    /// Which conversation.
    conversation: ConversationId,
    /// Messages before this number instead of the newest.
    #[arg(long, value_name = "NUMBER", conflicts_with = "after")]
    before: Option<u64>,
    /// Messages after this number instead of the newest.
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
    /// How many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Show reactions, too.
    #[arg(long)]
    reactions: bool,
}

struct Shown {
    message: Message,
    sender: Option<String>,
    reactions: Vec<Reaction>,
}

/// Runs `envoi client history`. What was sent before this device was there is opened by way of the account's vault.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    let opened = place.open()?;
    let client = &opened.client;
    let range = match (args.before, args.after) {
        (Some(number), _) => Range::Before(number),
        (None, Some(number)) => Range::After(number),
        (None, None) => Range::Latest,
    };
    let read = || client.messages().history(args.conversation, range, args.limit);
    let mut messages = read().await.map_err(explain)?;
    if messages.iter().any(|message| matches!(message.body, Body::Locked)) {
        client.unlock_history(&opened.passphrase).await.map_err(explain)?;
        messages = read().await.map_err(explain)?;
    }
    let mut names = Names::new(client);
    let mut shown = Vec::with_capacity(messages.len());
    for message in messages {
        let sender = names.of(message.sender_id).await;
        let reactions = match args.reactions {
            true => client.messages().reactions(args.conversation, message.number).await.map_err(explain)?,
            false => Vec::new(),
        };
        shown.push(Shown { message, sender, reactions });
    }
    let rows: Vec<Value> = shown.iter().map(row).collect();
    place.output.result(&rows, || match shown.is_empty() {
        true => format!("No messages: `envoi client send {} TEXT` sends one.", args.conversation),
        false => shown.iter().map(line).collect::<Vec<_>>().join("\n"),
    });
    Ok(())
}

/// What a body is, in a word; machines read it beside the text.
pub fn state(body: &Body) -> &'static str {
    match body {
        Body::Verified { .. } => "verified",
        Body::Clear(_) => "clear",
        Body::Deleted => "deleted",
        Body::Erased => "erased",
        Body::Locked => "locked",
        Body::Invalid(_) => "invalid",
    }
}

/// A body for people.
pub fn body_text(body: &Body) -> String {
    match body {
        Body::Verified { content, .. } => {
            content.as_text().map_or_else(|| "(not known to this version)".to_owned(), text::harmless)
        }
        Body::Clear(content) => {
            let text = content.as_text().map_or_else(String::new, text::harmless);
            format!("(NOT ENCRYPTED) {text}")
        }
        Body::Deleted => "(deleted)".to_owned(),
        Body::Erased => "(erased)".to_owned(),
        Body::Locked => "(this device has no key for it)".to_owned(),
        Body::Invalid(why) => format!("(NOT SHOWN: {why})"),
    }
}

fn row(shown: &Shown) -> Value {
    let Shown { message, sender, reactions } = shown;
    let reactions: Vec<Value> = reactions
        .iter()
        .map(|one| json!({ "account_id": one.account_id, "slot": one.slot, "emoji": emoji(&one.body) }))
        .collect();
    json!({
        "number": message.number, "message_id": message.message_id, "sender_id": message.sender_id, "sender": sender,
        "device_id": message.device_id, "reply_to": message.reply_to, "sent_at": message.sent_at,
        "edited_at": message.edited_at, "state": state(&message.body), "text": message.body.text(),
        "reactions": reactions,
    })
}

/// The emoji of a reaction that can be read.
pub fn emoji(body: &Body) -> Option<&str> {
    match body.content() {
        Some(envoi_client::e2ee::Content::Reaction { emoji }) => Some(emoji),
        Some(_) | None => None,
    }
}

fn line(shown: &Shown) -> String {
    let Shown { message, sender, reactions } = shown;
    let sender = sender.clone().unwrap_or_else(|| message.sender_id.to_string());
    let answers = message.reply_to.map(|number| format!(" (to {number})")).unwrap_or_default();
    let edited = if message.edited_at.is_some() { " (edited)" } else { "" };
    let emojis: Vec<_> = reactions.iter().filter_map(|one| emoji(&one.body)).map(text::harmless).collect();
    let reactions = if emojis.is_empty() { String::new() } else { format!("  [{}]", emojis.join(" ")) };
    format!(
        "{:>5}  {}  {}{answers}{edited}: {}{reactions}",
        message.number,
        text::time(message.sent_at),
        sender,
        body_text(&message.body)
    )
}
