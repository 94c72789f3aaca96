//! `POST /v1/sessions/refresh`

use super::TokensAnswer;
use domain::device::DeviceProof;

use crate::endpoint::prelude::*;

/// The token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    /// The newest that was given.
    pub refresh_token: String,
    /// The signature (Ed25519) of the session's device over `envoi refresh proof v1` padded with zeros to 32 bytes, session id,
    /// device id, BLAKE3 of the refresh token's text, and `signed_at` in 8 bytes, big endian. With it the last exchange can be
    /// repeated at any time.
    #[serde(default)]
    pub device_proof: Option<DeviceProof>,
}

/// See [`Endpoint::ABOUT`].
pub struct Refresh;

impl Endpoint for Refresh {
    const ABOUT: About = About::post(
        "auth.refresh",
        "/v1/sessions/refresh",
        "Exchanges a refresh token for the next pair of tokens.\n\nEach refresh token is exchanged once. Repeating the last exchange gives the same refresh token for 30 seconds, later only with the device's signature. Any other use of a token that was replaced ends the session, and its owner is told by e-mail; one that this server never gave changes nothing. The token says what is repeated, not `Idempotency-Key`.",
    )
    .who(who::ANYBODY)
    .status(200)
    .errors(&["refresh_refused"]);
    type Caller = Anonymous;
    type Intent = AnonymousCommand;
    type Path = Nothing;
    type Query = Nothing;
    type Body = RefreshBody;
    type Answer = TokensAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<TokensAnswer>, Problem> {
        let RefreshBody { refresh_token, device_proof } = input.body;
        let sessions = &state.services.sessions;
        let given = sessions.refresh(&input.intent.request, &refresh_token, device_proof).await?;
        TokensAnswer::reply(state, &given)
    }
}
