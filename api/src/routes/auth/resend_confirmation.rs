//! `POST /v1/accounts/resend-confirmation`

use crate::endpoint::prelude::*;

/// Whose.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendConfirmationBody {
    /// E-mail address.
    pub email: String,
}

/// See [`Endpoint::ABOUT`].
pub struct ResendConfirmation;

impl Endpoint for ResendConfirmation {
    const ABOUT: About = About::post(
        "auth.resend_confirmation",
        "/v1/accounts/resend-confirmation",
        "Sends the token that confirms an address anew: the one that still holds, by mails that are further and further apart.\n\nThe answer does not tell whether there is such an account.",
    )
    .who(who::ANYBODY)
    .status(202);
    type Caller = Anonymous;
    type Intent = AnonymousCommand;
    type Path = Nothing;
    type Query = Nothing;
    type Body = ResendConfirmationBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        state.services.accounts.resend_confirmation(&input.intent.request, &input.body.email).await?;
        Ok(Reply::new(Nothing {}))
    }
}
