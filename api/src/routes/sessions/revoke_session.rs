//! `DELETE /v1/me/sessions/{session_id}`

use super::SessionPath;

use crate::endpoint::prelude::*;

/// See [`Endpoint::ABOUT`].
pub struct RevokeSession;

impl Endpoint for RevokeSession {
    const ABOUT: About = About::delete(
        "sessions.revoke_session",
        "/v1/me/sessions/{session_id}",
        "Ends one of the caller's sessions, at once on every node.",
    )
    .who(who::ACCOUNTS)
    .errors(&["session_not_found"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = SessionPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let executed = state.services.sessions.revoke(&input.intent.request, input.path.session_id).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
