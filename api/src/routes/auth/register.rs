//! `POST /v1/accounts`

use commands::services::NewAccount;
use zeroize::Zeroizing;

use crate::endpoint::prelude::*;

/// Who registers.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    /// E-mail address.
    #[schemars(length(min = 3, max = domain::limits::EMAIL_BYTES_MAX))]
    pub email: String,
    /// Password.
    #[schemars(length(min = crate::limits::PASSWORD_CHARS_MIN, max = crate::limits::PASSWORD_CHARS_MAX))]
    pub password: String,
    /// Name to show.
    #[schemars(length(min = 1, max = domain::limits::NAME_CHARS_MAX))]
    pub display_name: String,
    /// BCP 47 language tag.
    #[serde(default)]
    #[schemars(length(min = 2, max = domain::limits::LOCALE_BYTES_MAX), regex(pattern = "^[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*$"))]
    pub locale: Option<String>,
}

/// See [`Endpoint::ABOUT`].
pub struct Register;

impl Endpoint for Register {
    const ABOUT: About = About::post(
        "auth.register",
        "/v1/accounts",
        "Registers an account.\n\nThe answer is the same whether the address was free: an e-mail tells. Confirm the address with the token in it, then log in.",
    )
    .who(who::ANYBODY)
    .status(202);
    type Caller = Anonymous;
    type Intent = AnonymousCommand;
    type Path = Nothing;
    type Query = Nothing;
    type Body = RegisterBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let RegisterBody { email, password, display_name, locale } = input.body;
        let new = NewAccount { email, password: Zeroizing::new(password), display_name, locale };
        state.services.accounts.register(&input.intent.request, new).await?;
        Ok(Reply::new(Nothing {}))
    }
}
