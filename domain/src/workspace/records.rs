//! What is personal about a workspace.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{normalize, normalize_name};

/// What a workspace tells of itself.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceProfile {
    /// Name to show.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
}

impl WorkspaceProfile {
    /// The same with its texts in the form that is stored.
    pub fn normal(self) -> Self {
        let description = self.description.map(|text| normalize(&text));
        Self { name: normalize_name(&self.name), description }
    }
}
