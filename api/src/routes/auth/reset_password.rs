//! `POST /v1/accounts/reset-password`

use zeroize::Zeroizing;

use crate::endpoint::prelude::*;

/// The new password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPasswordBody {
    /// As it stands in the e-mail.
    pub token: String,
    /// The new password.
    #[schemars(length(min = crate::limits::PASSWORD_CHARS_MIN, max = crate::limits::PASSWORD_CHARS_MAX))]
    pub password: String,
}

/// See [`Endpoint::ABOUT`].
pub struct ResetPassword;

impl Endpoint for ResetPassword {
    const ABOUT: About = About::post(
        "auth.reset_password",
        "/v1/accounts/reset-password",
        "Sets a new password by the token that was sent by e-mail.\n\nAll sessions of the account end.",
    )
    .who(who::ANYBODY)
    .status(204)
    .errors(&["token_invalid"]);
    type Caller = Anonymous;
    type Intent = AnonymousCommand;
    type Path = Nothing;
    type Query = Nothing;
    type Body = ResetPasswordBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let ResetPasswordBody { token, password } = input.body;
        let accounts = &state.services.accounts;
        accounts.reset_password(&input.intent.request, &token, Zeroizing::new(password)).await?;
        Ok(Reply::new(Nothing {}))
    }
}
