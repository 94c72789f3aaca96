//! `envoi client sync`: what changed in your conversations since this device looked last.

use domain::ConversationId;
use envoi_client::api::dto::SyncedConversation;
use envoi_client::sync::{Changes, Synced};
use envoi_client::{Client, Error};
use serde_json::{Value, json};

use super::names::Names;
use super::{Place, explain, history};
use crate::cli::{CliError, text};

/// Arguments of `envoi client sync`.
#[derive(clap::Args)]
pub struct Args {
    /// Everything there is, as the first time.
    #[arg(long)]
    all: bool,
}

/// Runs `envoi client sync`.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    let client = place.client()?;
    let synced = if args.all { client.sync_since(None).await } else { client.sync().await };
    let synced = synced.map_err(explain)?;
    let rows = rows(&client, &synced, None).await.map_err(explain)?;
    let whole = json!({ "reset": synced.reset, "conversations": rows, "left": synced.left });
    place.output.result(&whole, || told(&synced, &rows));
    // What was told is told: the next time begins behind it.
    client.keep_synced(&synced.position).map_err(explain)
}

/// The conversations in which something changed, `only` one of them if it is named, with what changed inside.
///
/// # Errors
/// As [`Client::changes`].
pub async fn rows(
    client: &Client,
    synced: &Synced,
    only: Option<ConversationId>,
) -> Result<Vec<Value>, Error> {
    let mut names = Names::new(client);
    for person in &synced.people {
        names.know(person.account_id, person.display_name.clone());
    }
    let mut rows = Vec::new();
    for one in &synced.conversations {
        let id = one.conversation.conversation_id;
        if only.is_some_and(|only| only != id) {
            continue;
        }
        let mut row = row(&mut names, one).await;
        // What is told whole says nothing of what changed.
        if synced.since.is_some() && !synced.reset {
            let changes = match client.changes(id, synced.since.as_ref()).await {
                // It ended meanwhile: the next sync tells.
                Err(error) if error.is("conversation_not_found") => continue,
                changes => changes?,
            };
            if let Value::Object(row) = &mut row {
                row.insert("changes".to_owned(), changed(&changes));
            }
        }
        rows.push(row);
    }
    Ok(rows)
}

async fn row(names: &mut Names<'_>, one: &SyncedConversation) -> Value {
    let conversation = &one.conversation;
    let other = match one.direct_with {
        Some(other) => names.of(other).await,
        None => None,
    };
    let last = match &one.last_message {
        Some(last) => json!({
            "number": last.number, "message_id": last.message_id, "sender_id": last.sender_id,
            "sender": names.of(last.sender_id).await, "sent_at": last.sent_at, "deleted_at": last.deleted_at,
        }),
        None => Value::Null,
    };
    json!({
        "conversation_id": conversation.conversation_id, "organization_id": conversation.organization_id,
        "title": conversation.title.clone().or(other), "direct_with": one.direct_with, "unread": one.unread,
        "last_number": conversation.last_number, "read_up_to": conversation.read_up_to, "last_message": last,
    })
}

fn changed(changes: &Changes) -> Value {
    let messages = changes.messages.iter().map(|message| {
        let (body, number) = (&message.body, message.number);
        json!({ "number": number, "state": history::state(body), "text": body.text() })
    });
    let reactions = changes.reactions.iter().map(|(number, account_id, slot, reaction)| {
        let emoji = reaction.as_ref().and_then(|reaction| history::emoji(&reaction.body));
        json!({ "number": number, "account_id": account_id, "slot": slot, "set": reaction.is_some(), "emoji": emoji })
    });
    let pins = changes.pins.iter().map(|one| json!({ "number": one.number, "pinned": one.pin.is_some() }));
    let members = changes.members.iter().map(|one| {
        let role = one.member.as_ref().map(|member| member.role);
        json!({ "account_id": one.account_id, "role": role })
    });
    json!({
        "messages": messages.collect::<Vec<_>>(), "reactions": reactions.collect::<Vec<_>>(),
        "pins": pins.collect::<Vec<_>>(), "members": members.collect::<Vec<_>>(),
    })
}

fn told(synced: &Synced, rows: &[Value]) -> String {
    if rows.is_empty() && synced.left.is_empty() {
        return "Nothing has changed.".to_owned();
    }
    let head = ["CONVERSATION", "TITLE", "MESSAGES", "UNREAD", "EDITS", "REACTIONS", "MEMBERS"];
    let count = |row: &Value, name: &str| {
        let changes = row.get("changes").and_then(|changes| changes.get(name)).and_then(Value::as_array);
        changes.map_or(0, Vec::len).to_string()
    };
    let cells = |row: &Value| {
        vec![
            row["conversation_id"].as_str().unwrap_or_default().to_owned(),
            row["title"].as_str().map_or_else(|| "-".to_owned(), text::name),
            row["last_number"].to_string(),
            row["unread"].to_string(),
            count(row, "messages"),
            count(row, "reactions"),
            count(row, "members"),
        ]
    };
    let head = head.map(str::to_owned).to_vec();
    let mut said = text::table(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>());
    for id in &synced.left {
        said.push_str(&format!("\n{id} is none of your conversations any more."));
    }
    said
}
