//! Workspaces and their members.

use domain::workspace::WorkspaceRole;
use domain::{AccountId, OrganizationId, WorkspaceId};
use serde_json::json;

use super::dto;
use crate::http::{Answer, Outgoing};
use crate::problem::ApiError;
use crate::session::Session;

/// Creates a workspace; gives its id.
///
/// # Errors
/// Each [`ApiError`].
pub async fn create(
    session: &Session,
    organization: OrganizationId,
    name: &str,
    description: Option<&str>,
) -> Result<WorkspaceId, ApiError> {
    let body = json!({ "name": name, "description": description });
    let path = format!("/v1/organizations/{organization}/workspaces");
    let answer: Answer<dto::CreatedWorkspace> = session.call(Outgoing::post(path).json(&body)).await?;
    Ok(answer.body.workspace_id)
}

/// The workspaces of an organization that the account sees, one page.
///
/// # Errors
/// Each [`ApiError`].
pub async fn list(
    session: &Session,
    organization: OrganizationId,
    cursor: Option<&str>,
) -> Result<dto::Page<dto::Workspace>, ApiError> {
    let path = format!("/v1/organizations/{organization}/workspaces");
    Ok(session.call(Outgoing::get(path).query("cursor", cursor)).await?.body)
}

/// Adds a member of the organization.
///
/// # Errors
/// Each [`ApiError`].
pub async fn add_member(
    session: &Session,
    id: WorkspaceId,
    account: AccountId,
    role: WorkspaceRole,
) -> Result<(), ApiError> {
    let body = json!({ "account_id": account, "role": role });
    session.done(Outgoing::post(format!("/v1/workspaces/{id}/members")).json(&body)).await
}

/// Removes a member, or leaves.
///
/// # Errors
/// Each [`ApiError`].
pub async fn remove_member(session: &Session, id: WorkspaceId, account: AccountId) -> Result<(), ApiError> {
    let path = format!("/v1/workspaces/{id}/members/{account}");
    session.done(Outgoing::delete(path)).await
}
