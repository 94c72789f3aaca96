//! `POST /v1/sessions`

use super::TokensAnswer;
use commands::services::Login;
use domain::DeviceId;
use domain::device::DeviceProof;
use zeroize::Zeroizing;

use crate::endpoint::prelude::*;

/// Who.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogInBody {
    /// E-mail address.
    pub email: String,
    /// Password.
    pub password: String,
    /// The device that it comes from, if it is enrolled already.
    #[serde(default)]
    pub device_id: Option<DeviceId>,
    /// That device's signature (Ed25519) over `envoi login proof v1` padded with zeros to 32 bytes, account id, device id and
    /// `signed_at` in 8 bytes, big endian. With it failed logins from elsewhere do not slow this one down.
    #[serde(default)]
    pub device_proof: Option<DeviceProof>,
}

/// See [`Endpoint::ABOUT`].
pub struct LogIn;

impl Endpoint for LogIn {
    const ABOUT: About = About::post(
        "auth.log_in",
        "/v1/sessions",
        "Logs in with address and password.\n\nAn address that is not confirmed is answered like a wrong password. After failed logins further ones from the same network are refused for a time, with 429 `login_locked`. A device that signs is slowed down by its own failures only.",
    )
    .who(who::ANYBODY)
    .status(200)
    .errors(&["login_refused", "login_locked", "device_not_found", "device_revoked"]);
    type Caller = Anonymous;
    type Intent = AnonymousCommand;
    type Path = Nothing;
    type Query = Nothing;
    type Body = LogInBody;
    type Answer = TokensAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<TokensAnswer>, Problem> {
        let LogInBody { email, password, device_id, device_proof } = input.body;
        let origin = super::session_origin(&input.origin);
        let password = Zeroizing::new(password);
        let login = Login { email, password, device_id, device_proof, origin };
        let given = state.services.sessions.login(&input.intent.request, login).await?;
        TokensAnswer::reply(state, &given)
    }
}
