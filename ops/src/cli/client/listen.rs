//! `envoi client listen`: what happens in your conversations, as it happens, decrypted.

use clap::ValueEnum;
use domain::conversation::ConversationEvent;
use domain::conversation_member::{ConversationMemberEvent, ReceiptRecorded};
use domain::{ConversationId, Event};
use envoi_client::Client;
use envoi_client::live::{Happening, Incoming};
use envoi_client::messages::{Body, Message};
use envoi_client::sync::Synced;
use serde_json::{Value, json};

use super::names::Names;
use super::{Place, explain, history, sync};
use crate::cli::{CliError, Output, serve};

/// Between a conversation's id and what happened in it.
const GAP: &str = "        ";

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
    let listened = listen(place, &client, &args).await;
    let told = client.flush().await.map_err(explain);
    listened.and(told)
}

async fn listen(place: &Place, client: &Client, args: &Args) -> Result<(), CliError> {
    let mut live = client.live(None);
    let mut names = Names::new(client);
    let mut left = args.count;
    // Listens for signals all the time: one that comes while a message is told is not lost.
    let mut stop = std::pin::pin!(serve::until_asked_to_stop());
    while left != Some(0) {
        let incoming = tokio::select! {
            incoming = live.next() => incoming,
            stopped = &mut stop => return stopped,
        };
        let message = match incoming {
            None | Some(Incoming::LoggedOut) => {
                return Err(
                    CliError::usage("the session of this profile is over").hint("`envoi client login`")
                );
            }
            Some(Incoming::Event(happening)) if concerns(args, &happening) => {
                let message = message_in(&happening);
                if message.is_none() {
                    tell(place.output, &mut names, &happening).await;
                }
                message
            }
            Some(Incoming::Missed(message)) => Some(*message)
                .filter(|message| args.conversation.is_none_or(|only| only == message.conversation_id)),
            Some(Incoming::Synced(synced)) => {
                tell_synced(place.output, client, args, &synced).await;
                None
            }
            Some(other) => {
                note(place.output, &other);
                None
            }
        };
        let Some(message) = message else { continue };
        tell_message(place.output, client, &mut names, &message).await;
        left = left.map(|left| left - 1);
        if message.sender_id != client.account_id() {
            acknowledge(client, args.receipts, message.conversation_id, message.number);
        }
    }
    Ok(())
}

fn concerns(args: &Args, happening: &Happening) -> bool {
    args.conversation.is_none_or(|only| place_of(&happening.event) == Some(only))
}

/// The conversation that it happened in.
fn place_of(event: &Event) -> Option<ConversationId> {
    match event {
        Event::Conversation(event) => Some(event.conversation_id()),
        Event::ConversationMember(event) => Some(event.conversation_id()),
        _ => None,
    }
}

/// The message that was sent, if that is what happened.
fn message_in(happening: &Happening) -> Option<Message> {
    let Event::Conversation(ConversationEvent::MessageSent(sent)) = &happening.event else { return None };
    Some(Message {
        conversation_id: sent.conversation_id,
        number: sent.number,
        message_id: sent.message_id,
        sender_id: sent.sender_id,
        device_id: sent.device_id,
        reply_to: sent.reply_to,
        sent_at: happening.recorded_at,
        edited_at: None,
        pinned: false,
        body: happening.body.clone().unwrap_or(Body::Locked),
    })
}

fn acknowledge(client: &Client, receipts: Receipts, conversation: ConversationId, number: u64) {
    match receipts {
        Receipts::None => {}
        Receipts::Delivered => client.acknowledge(conversation, number, 0),
        Receipts::Read => client.acknowledge(conversation, number, number),
    }
}

/// Connection news: for people beside the messages, for machines among them.
fn note(output: Output, incoming: &Incoming) {
    let (name, text) = match incoming {
        Incoming::Connected => ("connected", "listening; Ctrl-C ends"),
        Incoming::Disconnected => ("disconnected", "the connection is lost; trying again"),
        Incoming::Reset(_) => ("reset", "too much was missed to be told one by one"),
        Incoming::Unreadable { .. } => ("unreadable", "something happened that this version does not know"),
        Incoming::Event(_)
        | Incoming::Missed(_)
        | Incoming::Synced(_)
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

/// What changed while events were missed; new messages of conversations that were listened to follow one by one.
async fn tell_synced(output: Output, client: &Client, args: &Args, synced: &Synced) {
    let rows = match sync::rows(client, synced, args.conversation).await {
        Ok(rows) => rows,
        Err(error) => {
            output.note(format!("what changed cannot be shown: {error}"));
            return;
        }
    };
    for mut row in rows {
        let text = |name| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let last = row.get("last_number").and_then(Value::as_u64).unwrap_or_default();
        let told = format!("{}{GAP}something changed; its last message is {last}", text("conversation_id"));
        if let Value::Object(row) = &mut row {
            row.insert("event".to_owned(), "synced".into());
        }
        output.line(&row, || told.clone());
    }
}

async fn tell_message(output: Output, client: &Client, names: &mut Names<'_>, message: &Message) {
    let Message { conversation_id: id, number, sender_id, body, .. } = message;
    let sender = names.of(*sender_id).await;
    let value = json!({
        "event": "message", "conversation_id": id, "number": number, "message_id": message.message_id,
        "sender_id": sender_id, "sender": sender, "sender_verified": history::is_sender_verified(client, message),
        "sent_at": message.sent_at, "reply_to": message.reply_to, "state": history::state(body), "text": body.text(),
    });
    let head = format!("{id} {number:>5}  {}", names.label(*sender_id, history::is_signed(body)));
    output.line(&value, || history::told(&head, body, output.width()));
}

async fn tell(output: Output, names: &mut Names<'_>, happening: &Happening) {
    let said = match &happening.event {
        Event::Conversation(event) => said(output, names, happening, event).await,
        Event::ConversationMember(ConversationMemberEvent::ReceiptRecorded(receipt)) => {
            Some(received(names, receipt).await)
        }
        _ => None,
    };
    let (Some(id), Some((name, value, said))) = (place_of(&happening.event), said) else { return };
    let mut whole = json!({ "event": name, "conversation_id": id });
    if let (Value::Object(whole), Value::Object(more)) = (&mut whole, value) {
        whole.extend(more);
    }
    output.line(&whole, || format!("{id}{GAP}{said}"));
}

/// What is told of something: its name, its members, and what people read.
type Told = (&'static str, Value, String);

async fn received(names: &mut Names<'_>, receipt: &ReceiptRecorded) -> Told {
    let (delivered, read) = (receipt.delivered_up_to, receipt.read_up_to);
    let value = json!({
        "account_id": receipt.account_id, "delivered_up_to": delivered, "read_up_to": read,
    });
    let who = names.shown(receipt.account_id, false).await;
    ("receipt", value, format!("{who} has messages up to {delivered} and read up to {read}"))
}

async fn said(
    output: Output,
    names: &mut Names<'_>,
    happening: &Happening,
    event: &ConversationEvent,
) -> Option<Told> {
    use ConversationEvent as E;
    let id = event.conversation_id();
    let locked = Body::Locked;
    let body = happening.body.as_ref().unwrap_or(&locked);
    Some(match event {
        E::MessageEdited(edited) => {
            let value =
                json!({ "number": edited.number, "state": history::state(body), "text": body.text() });
            // Behind the conversation's id, which comes before everything here.
            let width = output.width().map(|all| all.saturating_sub(id.to_string().len() + GAP.len()));
            ("edited", value, history::told(&format!("message {} now says", edited.number), body, width))
        }
        E::MessageDeleted(gone) => {
            ("deleted", json!({ "number": gone.number }), format!("message {} was deleted", gone.number))
        }
        E::ReactionSet(set) => {
            let emoji = history::emoji(body);
            let value = json!({ "number": set.number, "account_id": set.account_id, "emoji": emoji });
            let shown = history::emoji_told(body).unwrap_or_else(|| "something".to_owned());
            let who = names.shown(set.account_id, history::is_signed(body)).await;
            ("reaction", value, format!("{who} reacts to message {} with {shown}", set.number))
        }
        E::MemberJoined(joined) => {
            let who = names.shown(joined.account_id, false).await;
            ("joined", json!({ "account_id": joined.account_id }), format!("{who} is a member now"))
        }
        E::MemberLeft(left) => {
            let who = names.shown(left.account_id, false).await;
            ("left", json!({ "account_id": left.account_id }), format!("{who} is a member no more"))
        }
        E::GenerationCommitted(new) => (
            "generation",
            json!({ "generation": new.generation, "account_id": new.account_id }),
            format!("a new key is in force: generation {}", new.generation),
        ),
        E::MessageSent(_)
        | E::Created(_)
        | E::TitleChanged(_)
        | E::HistoryVisibilityChanged(_)
        | E::MemberRoleChanged(_)
        | E::RecipientAdded(_)
        | E::RecipientRemoved(_)
        | E::WrapAdded(_)
        | E::WrapReported(_)
        | E::ReactionCleared(_)
        | E::MessagePinned(_)
        | E::MessageUnpinned(_)
        | E::Deleted(_)
        | E::Reopened(_) => return None,
    })
}
