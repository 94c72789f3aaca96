//! What is personal about a workspace.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a workspace tells of itself.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceProfile {
    /// Name to show.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
}
