//! `POST /v1/sessions/logout`

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct LogOut;

impl Endpoint for LogOut {
    const ABOUT: About =
        About::post("auth.log_out", "/v1/sessions/logout", "Ends the session, at once on every node.")
            .who(who::ACCOUNTS)
            .status(204);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = Nothing;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let executed = state.services.sessions.logout(&input.intent.request, input.caller.session_id).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
