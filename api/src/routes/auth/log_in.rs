//! `POST /v1/sessions`

use super::TokensAnswer;
use commands::services::Login;
use domain::DeviceId;
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
}

/// See [`Endpoint::ABOUT`].
pub struct LogIn;

impl Endpoint for LogIn {
    const ABOUT: About = About::post(
        "auth.log_in",
        "/v1/sessions",
        "Logs in with address and password.\n\nAfter failed logins further ones are refused for a time, with 429 `login_locked`.",
    )
    .who(who::ANYBODY)
    .status(200)
    .errors(&["login_refused", "login_locked", "email_not_confirmed", "device_not_found", "device_revoked"]);
    type Caller = Anonymous;
    type Intent = Command;
    type Path = Nothing;
    type Query = Nothing;
    type Body = LogInBody;
    type Answer = TokensAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<TokensAnswer>, Problem> {
        let LogInBody { email, password, device_id } = input.body;
        let origin = super::session_origin(&input.origin);
        let login = Login { email, password: Zeroizing::new(password), device_id, origin };
        let given = state.services.sessions.login(&input.intent.request, login).await?;
        TokensAnswer::reply(state, &given)
    }
}
