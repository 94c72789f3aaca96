//! Registration, login and sessions.

use domain::DeviceId;
use serde_json::json;

use super::dto;
use crate::http::{Http, Outgoing};
use crate::problem::ApiError;
use crate::session::Session;

/// Registers. The answer is the same whether the address was known or not; what follows comes by e-mail.
///
/// # Errors
/// Each [`ApiError`].
pub async fn register(http: &Http, new: &dto::Registration) -> Result<(), ApiError> {
    http.send::<serde::de::IgnoredAny>(&Outgoing::post("/v1/accounts").json(new), None).await.map(|_| ())
}

/// Confirms the e-mail address by the token that was sent to it.
///
/// # Errors
/// Each [`ApiError`].
pub async fn confirm_email(http: &Http, token: &str) -> Result<(), ApiError> {
    let request = Outgoing::post("/v1/accounts/confirm-email").json(&json!({ "token": token }));
    http.send::<serde::de::IgnoredAny>(&request, None).await.map(|_| ())
}

/// Logs in, on one of the account's devices or on none yet.
///
/// # Errors
/// Each [`ApiError`].
pub async fn login(
    http: &Http,
    email: &str,
    password: &str,
    device: Option<DeviceId>,
) -> Result<dto::Tokens, ApiError> {
    let body = json!({ "email": email, "password": password, "device_id": device });
    Ok(http.send(&Outgoing::post("/v1/sessions").json(&body), None).await?.body)
}

/// Exchanges a refresh token.
///
/// # Errors
/// Each [`ApiError`].
pub async fn refresh(http: &Http, refresh_token: &str) -> Result<dto::Tokens, ApiError> {
    let request = Outgoing::post("/v1/sessions/refresh").json(&json!({ "refresh_token": refresh_token }));
    Ok(http.send(&request, None).await?.body)
}

/// Ends the session on the server.
///
/// # Errors
/// Each [`ApiError`].
pub async fn logout(session: &Session) -> Result<(), ApiError> {
    let id = session.store().read(|state| state.session.as_ref().map(|session| session.session_id));
    let id = id.ok_or(ApiError::LoggedOut)?;
    session.done(Outgoing::delete(format!("/v1/me/sessions/{id}"))).await
}
