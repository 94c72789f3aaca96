//! Messages, reactions and receipts.

use domain::conversation::MessageBody;
use domain::{ConversationId, MessageId};
use serde_json::json;

use super::dto;
use crate::http::{Answer, Outgoing};
use crate::problem::ApiError;
use crate::session::Session;

/// The request that sends a message; its id is the idempotency key.
pub fn send(
    conversation: ConversationId,
    id: MessageId,
    generation: u32,
    reply_to: Option<u64>,
    body: &MessageBody,
) -> Outgoing {
    let json = json!({
        "generation": generation, "reply_to": reply_to, "content": body.content, "cipher": body.cipher,
    });
    Outgoing::post(format!("/v1/conversations/{conversation}/messages")).keyed(id).json(&json)
}

/// The request that replaces a message's content.
pub fn edit(
    conversation: ConversationId,
    number: u64,
    id: MessageId,
    generation: u32,
    body: &MessageBody,
) -> Outgoing {
    let json = json!({
        "message_id": id, "generation": generation, "content": body.content, "cipher": body.cipher,
    });
    Outgoing::put(format!("/v1/conversations/{conversation}/messages/{number}")).json(&json)
}

/// The request that fills a reaction slot.
pub fn react(
    conversation: ConversationId,
    number: u64,
    slot: u8,
    id: MessageId,
    generation: u32,
    body: &MessageBody,
) -> Outgoing {
    let json = json!({
        "reaction_id": id, "generation": generation, "content": body.content, "cipher": body.cipher,
    });
    let path = format!("/v1/conversations/{conversation}/messages/{number}/reactions/{slot}");
    Outgoing::put(path).json(&json)
}

/// Empties a reaction slot.
///
/// # Errors
/// Each [`ApiError`].
pub async fn clear_reaction(
    session: &Session,
    conversation: ConversationId,
    number: u64,
    slot: u8,
) -> Result<Answer<()>, ApiError> {
    let path = format!("/v1/conversations/{conversation}/messages/{number}/reactions/{slot}");
    session.call(Outgoing::delete(path)).await
}

/// Deletes a message for everyone.
///
/// # Errors
/// Each [`ApiError`].
pub async fn delete(
    session: &Session,
    conversation: ConversationId,
    number: u64,
) -> Result<Answer<()>, ApiError> {
    session.call(Outgoing::delete(format!("/v1/conversations/{conversation}/messages/{number}"))).await
}

/// Pins a message, or unpins it.
///
/// # Errors
/// Each [`ApiError`].
pub async fn set_pinned(
    session: &Session,
    conversation: ConversationId,
    number: u64,
    pinned: bool,
) -> Result<Answer<()>, ApiError> {
    let path = format!("/v1/conversations/{conversation}/messages/{number}/pin");
    session.call(if pinned { Outgoing::put(path) } else { Outgoing::delete(path) }).await
}

/// Records up to which message this device has got, and its owner has read, all.
///
/// # Errors
/// Each [`ApiError`].
pub async fn record_receipt(
    session: &Session,
    conversation: ConversationId,
    delivered_up_to: u64,
    read_up_to: u64,
) -> Result<Answer<()>, ApiError> {
    let body = json!({ "delivered_up_to": delivered_up_to, "read_up_to": read_up_to });
    session.call(Outgoing::post(format!("/v1/conversations/{conversation}/receipts")).json(&body)).await
}

/// Messages of a conversation, ascending by number: those after `after` or, with `before`, those before it.
///
/// # Errors
/// Each [`ApiError`].
pub async fn list(
    session: &Session,
    conversation: ConversationId,
    range: Range,
    limit: u32,
) -> Result<Vec<dto::Message>, ApiError> {
    let (name, number) = match range {
        Range::After(number) => ("after", Some(number)),
        Range::Before(number) => ("before", Some(number)),
        Range::Latest => ("before", None),
    };
    let request = Outgoing::get(format!("/v1/conversations/{conversation}/messages"))
        .query(name, number)
        .query("limit", Some(limit));
    let mut page: dto::Page<dto::Message> = session.call(request).await?.body;
    page.items.sort_by_key(|message| message.number);
    Ok(page.items)
}

/// The reactions on several messages, 50 at most, one page.
///
/// # Errors
/// Each [`ApiError`].
pub async fn reactions_on(
    session: &Session,
    conversation: ConversationId,
    numbers: &[u64],
    cursor: Option<&str>,
) -> Result<dto::Page<dto::MessageReaction>, ApiError> {
    let numbers = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let request = Outgoing::get(format!("/v1/conversations/{conversation}/reactions"))
        .query("numbers", Some(numbers))
        .query("cursor", cursor);
    Ok(session.call(request).await?.body)
}

/// The reactions on a message.
///
/// # Errors
/// Each [`ApiError`].
pub async fn reactions(
    session: &Session,
    conversation: ConversationId,
    number: u64,
) -> Result<Vec<dto::Reaction>, ApiError> {
    let path = format!("/v1/conversations/{conversation}/messages/{number}/reactions");
    let request = Outgoing::get(path).query("limit", Some(PAGE_ROWS_MAX));
    let page: dto::Page<dto::Reaction> = session.call(request).await?.body;
    Ok(page.items)
}

/// How far a message has come, by device, one page.
///
/// # Errors
/// Each [`ApiError`].
pub async fn deliveries(
    session: &Session,
    conversation: ConversationId,
    number: u64,
    cursor: Option<&str>,
) -> Result<dto::Page<dto::Delivery>, ApiError> {
    let path = format!("/v1/conversations/{conversation}/messages/{number}/deliveries");
    Ok(session.call(Outgoing::get(path).query("cursor", cursor)).await?.body)
}

/// How far the members of a conversation have come, one page.
///
/// # Errors
/// Each [`ApiError`].
pub async fn receipts(
    session: &Session,
    conversation: ConversationId,
    cursor: Option<&str>,
) -> Result<dto::Page<dto::Receipt>, ApiError> {
    let path = format!("/v1/conversations/{conversation}/receipts");
    Ok(session.call(Outgoing::get(path).query("cursor", cursor)).await?.body)
}

/// The pinned messages of a conversation.
///
/// # Errors
/// Each [`ApiError`].
pub async fn pins(session: &Session, conversation: ConversationId) -> Result<Vec<dto::Pin>, ApiError> {
    let request = Outgoing::get(format!("/v1/conversations/{conversation}/pins"));
    let page: dto::Page<dto::Pin> = session.call(request).await?.body;
    Ok(page.items)
}

/// Most rows that the server gives in one page.
const PAGE_ROWS_MAX: u32 = 200;

/// Which messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Those with higher numbers, the lowest first.
    After(u64),
    /// Those with lower numbers, the highest of them.
    Before(u64),
    /// The newest.
    Latest,
}
