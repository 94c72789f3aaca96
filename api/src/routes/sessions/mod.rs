//! The caller's sessions.

use domain::SessionId;
use schemars::JsonSchema;
use serde::Deserialize;

pub mod list_sessions;
pub mod revoke_session;

/// Names one of the caller's sessions.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct SessionPath {
    /// The session.
    pub session_id: SessionId,
}
