//! `PUT /v1/me/password`

use crate::problem::Code;
use commands::auth::AuthError;
use zeroize::Zeroizing;

use crate::endpoint::prelude::*;

/// Both passwords.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePasswordBody {
    /// The present one.
    pub old_password: String,
    /// The new one.
    #[schemars(length(min = crate::limits::PASSWORD_CHARS_MIN, max = crate::limits::PASSWORD_CHARS_MAX))]
    pub new_password: String,
}

/// See [`Endpoint::ABOUT`].
pub struct ChangePassword;

impl Endpoint for ChangePassword {
    const ABOUT: About =
        About::put("me.change_password", "/v1/me/password", "Changes the password; other sessions end.\n\nAfter wrong ones further tries in this session are refused for a time, with 429 `login_locked`.")
            .who(who::ACCOUNTS)
            .errors(&["password_wrong", "login_locked"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = Nothing;
    type Query = Nothing;
    type Body = ChangePasswordBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let ChangePasswordBody { old_password, new_password } = input.body;
        let (old, new) = (Zeroizing::new(old_password), Zeroizing::new(new_password));
        let accounts = &state.services.accounts;
        match accounts.change_password(&input.intent.request, input.caller.session_id, old, new).await {
            Ok(executed) => Ok(Reply::of(&executed, Nothing {})),
            Err(AuthError::Refused) => Err(Code::PasswordWrong.into()),
            Err(error) => Err(error.into()),
        }
    }
}
