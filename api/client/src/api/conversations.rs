//! Conversations, their members and keys.

use domain::conversation::{ConversationRole, HistoryVisibility, Wrap};
use domain::{AccountId, ConversationId, OrganizationId, RecipientId};
use serde_json::json;

use super::dto;
use crate::e2ee::GenerationContext;
use crate::http::{Answer, Outgoing, Position};
use crate::problem::ApiError;
use crate::session::Session;

/// Opens a group.
///
/// # Errors
/// Each [`ApiError`].
pub async fn create_group(
    session: &Session,
    organization: OrganizationId,
    new: &dto::NewGroup,
) -> Result<ConversationId, ApiError> {
    let path = format!("/v1/organizations/{organization}/conversations");
    let answer: Answer<dto::OpenedConversation> = session.call(Outgoing::post(path).json(new)).await?;
    Ok(answer.body.conversation_id)
}

/// Opens the conversation with another member; the one that exists already is as good.
///
/// # Errors
/// Each [`ApiError`].
pub async fn open_direct(
    session: &Session,
    organization: OrganizationId,
    other: AccountId,
) -> Result<ConversationId, ApiError> {
    let path = format!("/v1/organizations/{organization}/direct-conversations");
    let request = Outgoing::post(path).json(&json!({ "account_id": other }));
    match session.call::<dto::OpenedConversation>(request).await {
        Ok(answer) => Ok(answer.body.conversation_id),
        Err(error) if error.is("conversation_exists") => {
            let existing = error.problem().and_then(|problem| problem.member("conversation_id"));
            existing.ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// A conversation.
///
/// # Errors
/// Each [`ApiError`].
pub async fn get(session: &Session, id: ConversationId) -> Result<dto::Conversation, ApiError> {
    Ok(session.call(Outgoing::get(format!("/v1/conversations/{id}"))).await?.body)
}

/// Sets what the members of a group see of what was before they joined.
///
/// # Errors
/// Each [`ApiError`].
pub async fn change_history_visibility(
    session: &Session,
    id: ConversationId,
    history_visibility: HistoryVisibility,
) -> Result<(), ApiError> {
    let request = Outgoing::put(format!("/v1/conversations/{id}/history-visibility"))
        .json(&json!({ "history_visibility": history_visibility }));
    session.done(request).await
}

/// The conversations of an organization that the account is a member of, one page.
///
/// # Errors
/// Each [`ApiError`].
pub async fn list(
    session: &Session,
    organization: OrganizationId,
    cursor: Option<&str>,
) -> Result<dto::Page<dto::Conversation>, ApiError> {
    let path = format!("/v1/organizations/{organization}/conversations");
    Ok(session.call(Outgoing::get(path).query("cursor", cursor)).await?.body)
}

/// The conversations of an organization by their last activity, the latest first: one page going back from `cursor`.
///
/// # Errors
/// Each [`ApiError`].
pub async fn by_activity(
    session: &Session,
    organization: OrganizationId,
    cursor: Option<&str>,
) -> Result<dto::Activity, ApiError> {
    let path = format!("/v1/organizations/{organization}/conversations/activity");
    Ok(session.call(Outgoing::get(path).query("cursor", cursor)).await?.body)
}

/// Those in which something happened behind a `poll_cursor`, the earliest first.
///
/// # Errors
/// Each [`ApiError`].
pub async fn active_since(
    session: &Session,
    organization: OrganizationId,
    poll_cursor: &str,
) -> Result<dto::Activity, ApiError> {
    let path = format!("/v1/organizations/{organization}/conversations/activity");
    Ok(session.call(Outgoing::get(path).query("after", Some(poll_cursor))).await?.body)
}

/// The members of a conversation, one page.
///
/// # Errors
/// Each [`ApiError`].
pub async fn members(
    session: &Session,
    id: ConversationId,
    cursor: Option<&str>,
) -> Result<dto::Page<dto::ConversationMember>, ApiError> {
    let request = Outgoing::get(format!("/v1/conversations/{id}/members")).query("cursor", cursor);
    Ok(session.call(request).await?.body)
}

/// The recipients of a conversation's keys and the generation in force.
///
/// # Errors
/// Each [`ApiError`].
pub async fn roster(session: &Session, id: ConversationId) -> Result<dto::Roster, ApiError> {
    Ok(session.call(Outgoing::get(format!("/v1/conversations/{id}/recipients"))).await?.body)
}

/// Commits a new generation.
///
/// # Errors
/// Each [`ApiError`].
pub async fn commit(
    session: &Session,
    context: &GenerationContext,
    wraps: Vec<Wrap>,
) -> Result<(), ApiError> {
    let body = json!({
        "generation": context.generation,
        "suite": context.suite,
        "transcript": context.transcript,
        "wraps": wraps,
    });
    let path = format!("/v1/conversations/{}/generations", context.conversation_id);
    session.done(Outgoing::post(path).json(&body)).await
}

/// Gives a waiting recipient its wrap.
///
/// # Errors
/// Each [`ApiError`].
pub async fn add_wrap(session: &Session, context: &GenerationContext, wrap: Wrap) -> Result<(), ApiError> {
    let body = json!({ "generation": context.generation, "wrap": wrap });
    let path = format!("/v1/conversations/{}/wraps", context.conversation_id);
    session.done(Outgoing::post(path).json(&body)).await
}

/// Reports that a wrap does not open.
///
/// # Errors
/// Each [`ApiError`].
pub async fn report_wrap(
    session: &Session,
    id: ConversationId,
    generation: u32,
    recipient: RecipientId,
) -> Result<(), ApiError> {
    let body = json!({ "generation": generation, "recipient_id": recipient });
    session.done(Outgoing::post(format!("/v1/conversations/{id}/wraps/report")).json(&body)).await
}

/// The wraps of one generation for the account's own recipients: its devices and its recovery key. With `after`, as of that
/// place in the log or later.
///
/// # Errors
/// Each [`ApiError`].
pub async fn own_wraps(
    session: &Session,
    id: ConversationId,
    generation: u32,
    after: Option<Position>,
) -> Result<Vec<dto::ToldWrap>, ApiError> {
    let request = Outgoing::get(format!("/v1/conversations/{id}/wraps"))
        .query("generation", Some(generation))
        .after(after);
    let page: dto::Page<dto::ToldWrap> = session.call(request).await?.body;
    Ok(page.items)
}

/// Adds a member.
///
/// # Errors
/// Each [`ApiError`].
pub async fn add_member(
    session: &Session,
    id: ConversationId,
    account: AccountId,
    role: ConversationRole,
) -> Result<(), ApiError> {
    let body = json!({ "account_id": account, "role": role });
    session.done(Outgoing::post(format!("/v1/conversations/{id}/members")).json(&body)).await
}

/// Removes a member, or leaves.
///
/// # Errors
/// Each [`ApiError`].
pub async fn remove_member(
    session: &Session,
    id: ConversationId,
    account: AccountId,
) -> Result<(), ApiError> {
    session.done(Outgoing::delete(format!("/v1/conversations/{id}/members/{account}"))).await
}

/// Deletes a conversation.
///
/// # Errors
/// Each [`ApiError`].
pub async fn delete(session: &Session, id: ConversationId) -> Result<(), ApiError> {
    session.done(Outgoing::delete(format!("/v1/conversations/{id}"))).await
}
