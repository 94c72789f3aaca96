//! Registration, login and sessions.

use domain::device::DeviceProof;
use domain::{DeviceId, SessionId};
use serde::de::IgnoredAny;
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
    http.send::<IgnoredAny>(&Outgoing::post("/v1/accounts").json(new), None).await.map(|_| ())
}

/// Confirms the e-mail address by the token that was sent to it.
///
/// # Errors
/// Each [`ApiError`].
pub async fn confirm_email(http: &Http, token: &str) -> Result<(), ApiError> {
    let request = Outgoing::post("/v1/accounts/confirm-email").json(&json!({ "token": token }));
    http.send::<IgnoredAny>(&request, None).await.map(|_| ())
}

/// Logs in, on one of the account's devices or on none yet. A device that shows itself is not slowed down by what others tried.
///
/// # Errors
/// Each [`ApiError`].
pub async fn login(
    http: &Http,
    email: &str,
    password: &str,
    device: Option<DeviceId>,
    proof: Option<DeviceProof>,
) -> Result<dto::Tokens, ApiError> {
    let body = json!({ "email": email, "password": password, "device_id": device, "device_proof": proof });
    Ok(http.send(&Outgoing::post("/v1/sessions").json(&body), None).await?.body)
}

/// Exchanges a refresh token. A device that shows itself may repeat the last exchange however late.
///
/// # Errors
/// Each [`ApiError`].
pub async fn refresh(
    http: &Http,
    refresh_token: &str,
    proof: Option<DeviceProof>,
) -> Result<dto::Tokens, ApiError> {
    let body = json!({ "refresh_token": refresh_token, "device_proof": proof });
    let request = Outgoing::post("/v1/sessions/refresh").json(&body);
    Ok(http.send(&request, None).await?.body)
}

/// Ends the session on the server.
///
/// # Errors
/// Each [`ApiError`].
pub async fn logout(session: &Session) -> Result<(), ApiError> {
    session.done(Outgoing::post("/v1/sessions/logout")).await
}

/// Ends another session of the account.
///
/// # Errors
/// Each [`ApiError`].
pub async fn revoke_session(session: &Session, id: SessionId) -> Result<(), ApiError> {
    session.done(Outgoing::delete(format!("/v1/me/sessions/{id}"))).await
}

/// Asks for the e-mail that confirms an address, once more.
///
/// # Errors
/// Each [`ApiError`].
pub async fn resend_confirmation(http: &Http, email: &str) -> Result<(), ApiError> {
    let request = Outgoing::post("/v1/accounts/resend-confirmation").json(&json!({ "email": email }));
    http.send::<IgnoredAny>(&request, None).await.map(|_| ())
}

/// Asks for the e-mail that lets a password be set anew.
///
/// # Errors
/// Each [`ApiError`].
pub async fn request_password_reset(http: &Http, email: &str) -> Result<(), ApiError> {
    let request = Outgoing::post("/v1/accounts/request-password-reset").json(&json!({ "email": email }));
    http.send::<IgnoredAny>(&request, None).await.map(|_| ())
}

/// Sets a new password by the token that was sent by e-mail; all sessions end.
///
/// # Errors
/// Each [`ApiError`].
pub async fn reset_password(http: &Http, token: &str, password: &str) -> Result<(), ApiError> {
    let body = json!({ "token": token, "password": password });
    let request = Outgoing::post("/v1/accounts/reset-password").json(&body);
    http.send::<IgnoredAny>(&request, None).await.map(|_| ())
}

/// Changes the password; other sessions end.
///
/// # Errors
/// Each [`ApiError`].
pub async fn change_password(session: &Session, old: &str, new: &str) -> Result<(), ApiError> {
    let body = json!({ "old_password": old, "new_password": new });
    session.done(Outgoing::put("/v1/me/password").json(&body)).await
}
