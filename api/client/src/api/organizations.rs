//! Organizations, their members and invitations.

use domain::organization::OrganizationRole;
use domain::{AccountId, InvitationId, OrganizationId, Timestamp};
use serde_json::json;

use super::dto;
use crate::http::{Answer, Outgoing};
use crate::problem::ApiError;
use crate::session::Session;

/// Founds an organization; gives its id.
///
/// # Errors
/// Each [`ApiError`].
pub async fn create(session: &Session, name: &str) -> Result<OrganizationId, ApiError> {
    let request = Outgoing::post("/v1/organizations").json(&json!({ "name": name }));
    let answer: Answer<dto::CreatedOrganization> = session.call(request).await?;
    Ok(answer.body.organization_id)
}

/// The organizations that the account is a member of, one page.
///
/// # Errors
/// Each [`ApiError`].
pub async fn list(session: &Session, cursor: Option<&str>) -> Result<dto::Page<dto::Organization>, ApiError> {
    Ok(session.call(Outgoing::get("/v1/organizations").query("cursor", cursor)).await?.body)
}

/// The members of an organization, one page.
///
/// # Errors
/// Each [`ApiError`].
pub async fn members(
    session: &Session,
    id: OrganizationId,
    cursor: Option<&str>,
) -> Result<dto::Page<dto::OrganizationMember>, ApiError> {
    let request = Outgoing::get(format!("/v1/organizations/{id}/members")).query("cursor", cursor);
    Ok(session.call(request).await?.body)
}

/// Members of an organization whose names the words of `query` begin.
///
/// # Errors
/// Each [`ApiError`].
pub async fn find_people(
    session: &Session,
    id: OrganizationId,
    query: &str,
) -> Result<dto::FoundPeople, ApiError> {
    let request = Outgoing::get(format!("/v1/organizations/{id}/people")).query("query", Some(query));
    Ok(session.call(request).await?.body)
}

/// Makes an invitation; its token lets people in.
///
/// # Errors
/// Each [`ApiError`].
pub async fn invite(
    session: &Session,
    id: OrganizationId,
    role: OrganizationRole,
    uses_max: u32,
    expires_at: Timestamp,
) -> Result<dto::Invitation, ApiError> {
    let body = json!({ "role": role, "uses_max": uses_max, "expires_at": expires_at });
    Ok(session.call(Outgoing::post(format!("/v1/organizations/{id}/invitations")).json(&body)).await?.body)
}

/// Withdraws an invitation.
///
/// # Errors
/// Each [`ApiError`].
pub async fn revoke_invitation(
    session: &Session,
    id: OrganizationId,
    invitation: InvitationId,
) -> Result<(), ApiError> {
    let path = format!("/v1/organizations/{id}/invitations/{invitation}");
    session.done(Outgoing::delete(path)).await
}

/// Joins by an invitation's token; gives the organization.
///
/// # Errors
/// Each [`ApiError`].
pub async fn accept_invitation(session: &Session, token: &str) -> Result<OrganizationId, ApiError> {
    let request = Outgoing::post("/v1/invitations/accept").json(&json!({ "token": token }));
    let answer: Answer<dto::CreatedOrganization> = session.call(request).await?;
    Ok(answer.body.organization_id)
}

/// Gives a member another role.
///
/// # Errors
/// Each [`ApiError`].
pub async fn change_role(
    session: &Session,
    id: OrganizationId,
    account: AccountId,
    role: OrganizationRole,
) -> Result<(), ApiError> {
    let path = format!("/v1/organizations/{id}/members/{account}");
    session.done(Outgoing::put(path).json(&json!({ "role": role }))).await
}

/// Removes a member, or leaves.
///
/// # Errors
/// Each [`ApiError`].
pub async fn remove_member(
    session: &Session,
    id: OrganizationId,
    account: AccountId,
) -> Result<(), ApiError> {
    let path = format!("/v1/organizations/{id}/members/{account}");
    session.done(Outgoing::delete(path)).await
}
