//! `GET /v1/live-events.json`

use serde_json::Value;

use crate::endpoint::prelude::*;
use crate::live::schemas;

/// See [`Endpoint::ABOUT`].
pub struct GetLiveEvents;

impl Endpoint for GetLiveEvents {
    const ABOUT: About = About::get(
        "system.get_live_events",
        "/v1/live-events.json",
        "Shows the JSON Schema of the events that come over the live socket.",
    )
    .who(who::ANYBODY);
    type Caller = Anonymous;
    type Intent = Exchange;
    type Path = Nothing;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Value;

    async fn handle(_: &State, _: Input<Self>) -> Result<Reply<Value>, Problem> {
        Ok(Reply::new(schemas::document().clone()))
    }
}
