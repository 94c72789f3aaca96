//! Registering, logging in and out, tokens, forgotten passwords.

use commands::services::LoggedIn;
use domain::session::SessionOrigin;
use domain::{AccountId, DeviceId, SessionId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cursor::Place;
use crate::endpoint::Reply;
use crate::extract::Origin;
use crate::problem::Problem;
use crate::state::State;

pub mod confirm_email;
pub mod log_in;
pub mod log_out;
pub mod refresh;
pub mod register;
pub mod request_password_reset;
pub mod resend_confirmation;
pub mod reset_password;

/// A pair of tokens.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Tokens")]
pub struct TokensAnswer {
    /// Who logged in.
    pub account_id: AccountId,
    /// The session.
    pub session_id: SessionId,
    /// The device that the session acts for.
    pub device_id: Option<DeviceId>,
    /// For the header `Authorization: Bearer`.
    pub access_token: String,
    /// From when on it is refused.
    pub access_expires_at: Timestamp,
    /// Seconds until then.
    pub expires_in: u64,
    /// To be exchanged for the next pair, once.
    pub refresh_token: String,
    /// From when on it is refused.
    pub refresh_expires_at: Timestamp,
    /// Where the session stands in the log, as `Envoi-Position` elsewhere.
    pub position: String,
}

impl TokensAnswer {
    fn reply(state: &State, given: &LoggedIn) -> Result<Reply<Self>, Problem> {
        let place = Place { incarnation: state.incarnation, position: given.position };
        let micros = given.access_expires_at.as_micros().saturating_sub(state.clock.now().as_micros());
        let answer = Self {
            account_id: given.account_id,
            session_id: given.session_id,
            device_id: given.device_id,
            access_token: given.access_token.to_string(),
            access_expires_at: given.access_expires_at,
            expires_in: u64::try_from(micros / 1_000_000).unwrap_or(0),
            refresh_token: given.refresh_token.to_string(),
            refresh_expires_at: given.refresh_expires_at,
            position: state.cursors.seal_place(given.account_id, place)?,
        };
        Ok(Reply::new(answer))
    }
}

/// Where a login comes from, as the session's owner is shown it.
fn session_origin(origin: &Origin) -> SessionOrigin {
    SessionOrigin {
        ip: origin.address.map(|address| address.to_string()),
        user_agent: origin.user_agent.clone(),
    }
}
