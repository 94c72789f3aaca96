//! `GET /v1/openapi.json`

use serde_json::Value;

use crate::endpoint::{About, Endpoint, Input, Nothing, Reply, Verb, who};
use crate::extract::{Anonymous, Exchange};
use crate::openapi;
use crate::problem::Problem;
use crate::state::State;

/// See [`Endpoint::ABOUT`].
pub struct GetOpenapi;

impl Endpoint for GetOpenapi {
    const ABOUT: About = About {
        name: "system.get_openapi",
        verb: Verb::Get,
        path: "/v1/openapi.json",
        status: 200,
        text: "Shows this documentation for programs.",
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

    async fn handle(_: &State, _: Input<Self>) -> Result<Reply<Value>, Problem> {
        Ok(Reply::new(openapi::document().clone()))
    }
}
