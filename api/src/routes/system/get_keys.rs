//! `GET /.well-known/jwks.json`

use serde_json::Value;

use crate::endpoint::{About, Endpoint, Input, Nothing, Reply, Verb, who};
use crate::extract::{Anonymous, Exchange};
use crate::problem::Problem;
use crate::state::State;

/// See [`Endpoint::ABOUT`].
pub struct GetKeys;

impl Endpoint for GetKeys {
    const ABOUT: About = About {
        name: "system.get_keys",
        verb: Verb::Get,
        path: "/.well-known/jwks.json",
        status: 200,
        text: "Shows the public keys that access tokens are signed with.\n\nA JSON Web Key Set (RFC 7517).",
        errors: &[],
        body_bytes_max: 0,
        who: who::ANYBODY,
        reads: &[],
    };
    type Caller = Anonymous;
    type Intent = Exchange;
    type Path = Nothing;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Value;

    async fn handle(state: &State, _: Input<Self>) -> Result<Reply<Value>, Problem> {
        Ok(Reply::new(state.tokens.jwks()))
    }
}
