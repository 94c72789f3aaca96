//! What is personal about an organization.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::normalize_name;

/// What an organization tells of itself.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrganizationProfile {
    /// Name to show.
    pub name: String,
}

impl OrganizationProfile {
    /// The same with its texts in the form that is stored.
    pub fn normal(self) -> Self {
        Self { name: normalize_name(&self.name) }
    }
}
