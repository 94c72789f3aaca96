//! `POST /v1/accounts/confirm-email`

use crate::endpoint::prelude::*;

/// The token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmEmailBody {
    /// As it stands in the e-mail.
    pub token: String,
}

/// See [`Endpoint::ABOUT`].
pub struct ConfirmEmail;

impl Endpoint for ConfirmEmail {
    const ABOUT: About = About::post(
        "auth.confirm_email",
        "/v1/accounts/confirm-email",
        "Proves an e-mail address by the token that was sent to it.\n\nWhere the address was registered more than once before, none of the passwords holds: its owner sets one by a reset.",
    )
    .who(who::ANYBODY)
    .status(204)
    .errors(&["token_invalid"]);
    type Caller = Anonymous;
    type Intent = AnonymousCommand;
    type Path = Nothing;
    type Query = Nothing;
    type Body = ConfirmEmailBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let accounts = &state.services.accounts;
        accounts.confirm_email(&input.intent.request, &input.body.token).await?;
        Ok(Reply::new(Nothing {}))
    }
}
