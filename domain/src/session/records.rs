//! What is personal about a session.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a login came from.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionOrigin {
    /// IP address as the server saw it.
    pub ip: Option<String>,
    /// User agent as the client told it, cut to 200 characters.
    pub user_agent: Option<String>,
}
