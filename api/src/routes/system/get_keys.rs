//! `GET /.well-known/jwks.json`

use serde_json::Value;

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct GetKeys;

impl Endpoint for GetKeys {
    const ABOUT: About = About::get(
        "system.get_keys",
        "/.well-known/jwks.json",
        "Shows the public keys that access tokens are signed with.\n\nA JSON Web Key Set (RFC 7517).",
    )
    .who(who::ANYBODY);
    type Caller = Anonymous;
    type Intent = Exchange;
    type Path = Nothing;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Value;

    async fn handle(state: &State, _: Input<Self>) -> Result<Reply<Value>, Problem> {
        Ok(Reply::new(state.auth.tokens.jwks(state.clock.now())))
    }
}
