//! What is personal about an organization.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an organization tells of itself.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrganizationProfile {
    /// Name to show.
    pub name: String,
}
