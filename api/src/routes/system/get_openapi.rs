//! `GET /v1/openapi.json`

use serde_json::Value;

use crate::endpoint::prelude::*;
use crate::openapi;

/// See [`Endpoint::ABOUT`].
pub struct GetOpenapi;

impl Endpoint for GetOpenapi {
    const ABOUT: About =
        About::get("system.get_openapi", "/v1/openapi.json", "Shows this documentation for programs.")
            .who(who::ANYBODY);
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
