//! `envoi client listen`: what happens in your conversations, as it happens, decrypted.

use clap::ValueEnum;
use domain::conversation::ConversationEvent;
use domain::{AccountId, ConversationId, Event};
use envoi_client::Client;
use envoi_client::live::{Happening, Incoming};
use envoi_client::messages::Body;
use serde_json::{Value, json};

use super::{Place, explain, history};
use crate::cli::{CliError, Output, text};

/// Arguments of `envoi client listen`.
#[derive(clap::Args)]
pub struct Args {
    /// Only this conversation.
    conversation: Option<ConversationId>,
    /// End after so many messages; without it with Ctrl-C.
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    /// What others are told about messages that arrive here.
    #[arg(long, value_enum, default_value = "read")]
    receipts: Receipts,
}

#[derive(Clone, Copy, ValueEnum)]
enum Receipts {
    /// Nothing.
    None,
    /// That this device has them.
    Delivered,
    /// That you have read them.
    Read,
}

/// Runs `envoi client listen`.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    let client = place.client()?;
    let mut live = client.live(None);
    let mut left = args.count;
    while left != Some(0) {
        let incoming = tokio::select! {
            incoming = live.next() => incoming,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        let message = match incoming {
            None | Some(Incoming::LoggedOut) => {
                return Err(
                    CliError::usage("the session of this profile is over").hint("`envoi client login`")
                );
            }
            Some(Incoming::Event(happening)) if concerns(&args, &happening) => {
                tell(place.output, &happening);
                message_of(&happening)
            }
            Some(Incoming::Missed(message))
                if args.conversation.is_none_or(|only| only == message.conversation_id) =>
            {
                let (id, number) = (message.conversation_id, message.number);
                told(place.output, id, number, message.sender_id, &message.body);
                Some((id, number, message.sender_id))
            }
            Some(other) => {
                note(place.output, &other);
                None
            }
        };
        if let Some((conversation, number, sender)) = message {
            left = left.map(|left| left - 1);
            if sender != client.account_id() {
                receipt(&client, args.receipts, conversation, number).await?;
            }
        }
    }
    Ok(())
}

fn concerns(args: &Args, happening: &Happening) -> bool {
    match (&args.conversation, &happening.event) {
        (None, _) => true,
        (Some(only), Event::Conversation(event)) => event.conversation_id() == *only,
        (Some(_), _) => false,
    }
}

fn message_of(happening: &Happening) -> Option<(ConversationId, u64, AccountId)> {
    match &happening.event {
        Event::Conversation(ConversationEvent::MessageSent(sent)) => {
            Some((sent.conversation_id, sent.number, sent.sender_id))
        }
        _ => None,
    }
}

async fn receipt(
    client: &Client,
    receipts: Receipts,
    conversation: ConversationId,
    number: u64,
) -> Result<(), CliError> {
    let read = match receipts {
        Receipts::None => return Ok(()),
        Receipts::Delivered => 0,
        Receipts::Read => number,
    };
    client.record_receipt(conversation, number, read).await.map_err(explain)
}

/// Connection news: for people beside the messages, for machines among them.
fn note(output: Output, incoming: &Incoming) {
    let (name, text) = match incoming {
        Incoming::Connected => ("connected", "listening; Ctrl-C ends"),
        Incoming::Disconnected => ("disconnected", "the connection is lost; trying again"),
        Incoming::Reset(_) => ("reset", "too much was missed: `envoi client history` shows it"),
        Incoming::Event(_)
        | Incoming::Missed(_)
        | Incoming::Typing { .. }
        | Incoming::Presence { .. }
        | Incoming::LoggedOut => return,
    };
    if output.is_json() {
        output.line(&json!({ "event": name }), String::new);
    } else {
        output.note(text);
    }
}

fn told(output: Output, id: ConversationId, number: u64, sender: AccountId, body: &Body) {
    let value = json!({
        "event": "message", "conversation_id": id, "number": number, "sender_id": sender,
        "state": history::state(body), "text": body.text(),
    });
    output.line(&value, || format!("{id} {number:>5}  {sender}: {}", history::shown(body)));
}

fn tell(output: Output, happening: &Happening) {
    use ConversationEvent as E;
    let Event::Conversation(event) = &happening.event else { return };
    let id = event.conversation_id();
    let (name, value, said): (&str, Value, String) = match event {
        E::MessageSent(sent) => {
            let body = happening.body.as_ref().unwrap_or(&Body::Locked);
            return told(output, id, sent.number, sent.sender_id, body);
        }
        E::MessageEdited(edited) => {
            let body = happening.body.as_ref().unwrap_or(&Body::Locked);
            let value =
                json!({ "number": edited.number, "state": history::state(body), "text": body.text() });
            ("edited", value, format!("message {} now says: {}", edited.number, history::shown(body)))
        }
        E::MessageDeleted(gone) => {
            ("deleted", json!({ "number": gone.number }), format!("message {} was deleted", gone.number))
        }
        E::ReactionSet(set) => {
            let emoji = happening.body.as_ref().and_then(history::emoji);
            let value = json!({ "number": set.number, "account_id": set.account_id, "emoji": emoji });
            let shown = emoji.map_or_else(|| "something".to_owned(), text::harmless);
            ("reaction", value, format!("{} reacts to message {} with {shown}", set.account_id, set.number))
        }
        E::MemberJoined(joined) => (
            "joined",
            json!({ "account_id": joined.account_id }),
            format!("{} is a member now", joined.account_id),
        ),
        E::MemberLeft(left) => (
            "left",
            json!({ "account_id": left.account_id }),
            format!("{} is a member no more", left.account_id),
        ),
        E::GenerationCommitted(new) => (
            "generation",
            json!({ "generation": new.generation, "account_id": new.account_id }),
            format!("a new key is in force: generation {}", new.generation),
        ),
        E::ReceiptRecorded(receipt) => (
            "receipt",
            json!({
                "account_id": receipt.account_id, "delivered_up_to": receipt.delivered_up_to,
                "read_up_to": receipt.read_up_to,
            }),
            format!(
                "{} has messages up to {} and read up to {}",
                receipt.account_id, receipt.delivered_up_to, receipt.read_up_to
            ),
        ),
        E::Created(_)
        | E::TitleChanged(_)
        | E::MemberRoleChanged(_)
        | E::RecipientAdded(_)
        | E::RecipientRemoved(_)
        | E::WrapAdded(_)
        | E::WrapReported(_)
        | E::ReactionCleared(_)
        | E::MessagePinned(_)
        | E::MessageUnpinned(_)
        | E::Deleted(_) => return,
    };
    let mut whole = json!({ "event": name, "conversation_id": id });
    if let (Value::Object(whole), Value::Object(more)) = (&mut whole, value) {
        whole.extend(more);
    }
    output.line(&whole, || format!("{id}        {said}"));
}
