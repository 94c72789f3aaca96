//! `POST /v1/sessions/refresh`

use super::TokensAnswer;

use crate::endpoint::prelude::*;

/// The token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    /// The newest that was given.
    pub refresh_token: String,
}

/// See [`Endpoint::ABOUT`].
pub struct Refresh;

impl Endpoint for Refresh {
    const ABOUT: About = About::post(
        "auth.refresh",
        "/v1/sessions/refresh",
        "Exchanges a refresh token for the next pair of tokens.\n\nEach refresh token is exchanged once. Repeating the last exchange gives the same pair; using an older one ends the session.",
    )
    .who(who::ANYBODY)
    .status(200)
    .errors(&["refresh_refused"]);
    type Caller = Anonymous;
    type Intent = Command;
    type Path = Nothing;
    type Query = Nothing;
    type Body = RefreshBody;
    type Answer = TokensAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<TokensAnswer>, Problem> {
        let given = state.services.sessions.refresh(&input.intent.request, &input.body.refresh_token).await?;
        TokensAnswer::reply(state, &given)
    }
}
