//! `envoi client history`: messages of a conversation, decrypted.

use domain::ConversationId;
use envoi_client::Client;
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
    is_sender_verified: bool,
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
        let is_sender_verified = is_sender_verified(client, &message);
        shown.push(Shown { message, sender, is_sender_verified, reactions });
    }
    let rows: Vec<Value> = shown.iter().map(row).collect();
    place.output.result(&rows, || match shown.is_empty() {
        true => format!("No messages: `envoi client send {} TEXT` sends one.", args.conversation),
        false => {
            let width = place.output.width();
            shown.iter().map(|one| line(one, &names, width)).collect::<Vec<_>>().join("\n")
        }
    });
    Ok(())
}

/// What a body is, in a word; machines read it beside the text. Whether it is from whom it says is another question: that
/// is known of those alone whose safety number was compared.
pub fn state(body: &Body) -> &'static str {
    match body {
        Body::Encrypted { .. } => "encrypted",
        Body::Clear(_) => "clear",
        Body::Deleted => "deleted",
        Body::Erased => "erased",
        Body::Locked => "locked",
        Body::Invalid(_) => "invalid",
    }
}

/// Whether whoever is said to have written it signed it.
pub fn is_signed(body: &Body) -> bool {
    matches!(body, Body::Encrypted { .. })
}

/// Whether a message is from whom it says, as far as the person made sure: it is signed, and the safety number was compared.
pub fn is_sender_verified(client: &Client, message: &Message) -> bool {
    is_signed(&message.body) && client.people().is_verified(message.sender_id)
}

/// A body for people behind `head`, which is whose it is. What this program says of it stands before the colon, and what they
/// wrote behind it, so that neither looks like the other.
pub fn told(head: &str, body: &Body, width: Option<usize>) -> String {
    match body {
        Body::Encrypted { content, .. } => match content.as_text() {
            Some(text) => text::message(&format!("{head}: "), text, width),
            None => format!("{head} (not known to this version)"),
        },
        Body::Clear(content) => {
            let text = content.as_text().unwrap_or_default();
            text::message(&format!("{head} (NOT ENCRYPTED): "), text, width)
        }
        Body::Deleted => format!("{head} (deleted)"),
        Body::Erased => format!("{head} (erased)"),
        Body::Locked => format!("{head} (this device has no key for it)"),
        Body::Invalid(why) => format!("{head} (NOT SHOWN: {why})"),
    }
}

fn row(shown: &Shown) -> Value {
    let Shown { message, sender, is_sender_verified, reactions } = shown;
    let reactions: Vec<Value> = reactions
        .iter()
        .map(|one| json!({ "account_id": one.account_id, "slot": one.slot, "emoji": emoji(&one.body) }))
        .collect();
    json!({
        "number": message.number, "message_id": message.message_id, "sender_id": message.sender_id, "sender": sender,
        "sender_verified": is_sender_verified,
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

/// The same for people: what nobody signed says so.
pub fn emoji_told(body: &Body) -> Option<String> {
    let shown = text::name(emoji(body)?);
    Some(if is_signed(body) { shown } else { format!("{shown} (NOT ENCRYPTED)") })
}

fn line(shown: &Shown, names: &Names<'_>, width: Option<usize>) -> String {
    let Shown { message, reactions, .. } = shown;
    let answers = message.reply_to.map(|number| format!(" (to {number})")).unwrap_or_default();
    let edited = if message.edited_at.is_some() { " (edited)" } else { "" };
    let emojis: Vec<_> = reactions.iter().filter_map(|one| emoji_told(&one.body)).collect();
    let reactions = if emojis.is_empty() { String::new() } else { format!(" [{}]", emojis.join(" ")) };
    let (at, sender) =
        (text::time(message.sent_at), names.label(message.sender_id, is_signed(&message.body)));
    let head = format!("{:>5}  {at}  {sender}{answers}{edited}{reactions}", message.number);
    told(&head, &message.body, width)
}

#[cfg(test)]
mod tests {
    use envoi_client::e2ee::Content;

    use super::*;

    #[test]
    fn what_people_write_does_not_look_like_what_is_said_of_it() {
        let clear = |text: &str| told("    1  Ann", &Body::Clear(Content::text(text)), None);
        assert_eq!(clear("(deleted)"), "    1  Ann (NOT ENCRYPTED): (deleted)");
        assert_eq!(told("    1  Ann", &Body::Deleted, None), "    1  Ann (deleted)");
        let posing = clear("hi\n    2  Bob: yes\u{1b}[1A");
        assert_eq!(posing.lines().filter(|line| line.starts_with("    2")).count(), 0, "{posing}");
        assert!(!posing.contains('\u{1b}'), "{posing}");
    }
}
