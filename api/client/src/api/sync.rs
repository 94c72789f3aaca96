//! What changed since one was there last.

use domain::ConversationId;

use super::dto;
use crate::http::{Outgoing, Position};
use crate::problem::ApiError;
use crate::session::Session;

/// Rows of a page: as many as the server gives at once.
const PAGE_ROWS: u32 = 200;

/// The account's conversations, or what changed of them behind `since`, one page; not before the server shows `seen`.
///
/// # Errors
/// Each [`ApiError`].
pub async fn get(
    session: &Session,
    since: Option<&Position>,
    cursor: Option<&str>,
    seen: Option<Position>,
) -> Result<dto::SyncPage, ApiError> {
    let request =
        Outgoing::get("/v1/sync").query("since", since.map(|since| &since.0)).query("cursor", cursor);
    Ok(session.call(request.query("limit", Some(PAGE_ROWS)).after(seen)).await?.body)
}

/// What changed in a conversation behind `since`, one page.
///
/// # Errors
/// Each [`ApiError`].
pub async fn changes(
    session: &Session,
    id: ConversationId,
    since: Option<&Position>,
    cursor: Option<&str>,
) -> Result<dto::ChangesPage, ApiError> {
    let request = Outgoing::get(format!("/v1/conversations/{id}/changes"));
    let request = request.query("since", since.map(|since| &since.0)).query("cursor", cursor);
    Ok(session.call(request.query("limit", Some(PAGE_ROWS))).await?.body)
}
