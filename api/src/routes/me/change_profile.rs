//! `PUT /v1/me/profile`

use domain::account::AccountProfile;

use crate::endpoint::prelude::*;

/// The new profile.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeAccountProfileBody")]
pub struct ChangeProfileBody {
    /// Name to show.
    #[schemars(length(min = 1, max = domain::limits::NAME_CHARS_MAX))]
    pub display_name: String,
    /// BCP 47 language tag.
    #[schemars(length(min = 2, max = domain::limits::LOCALE_BYTES_MAX), regex(pattern = "^[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*$"))]
    pub locale: Option<String>,
}

/// See [`Endpoint::ABOUT`].
pub struct ChangeProfile;

impl Endpoint for ChangeProfile {
    const ABOUT: About = About::put(
        "me.change_profile",
        "/v1/me/profile",
        "Replaces the profile, which members of the same organizations see.",
    )
    .who(who::ACCOUNTS);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = Nothing;
    type Query = Nothing;
    type Body = ChangeProfileBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let ChangeProfileBody { display_name, locale } = input.body;
        let profile = AccountProfile { display_name, locale };
        let executed = state.services.accounts.change_profile(&input.intent.request, profile).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
