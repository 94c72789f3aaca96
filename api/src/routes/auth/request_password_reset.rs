//! `POST /v1/accounts/request-password-reset`

use crate::endpoint::prelude::*;

/// Whose.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestPasswordResetBody {
    /// E-mail address.
    pub email: String,
}

/// See [`Endpoint::ABOUT`].
pub struct RequestPasswordReset;

impl Endpoint for RequestPasswordReset {
    const ABOUT: About = About::post(
        "auth.request_password_reset",
        "/v1/accounts/request-password-reset",
        "Sends a token to set a new password with.\n\nAsked for again, the token that still holds is sent again, by mails that are further and further apart. The answer does not tell whether there is such an account.",
    )
    .who(who::ANYBODY)
    .status(202);
    type Caller = Anonymous;
    type Intent = AnonymousCommand;
    type Path = Nothing;
    type Query = Nothing;
    type Body = RequestPasswordResetBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        state.services.accounts.request_password_reset(&input.intent.request, &input.body.email).await?;
        Ok(Reply::new(Nothing {}))
    }
}
