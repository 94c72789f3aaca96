//! Other people's accounts.

use domain::AccountId;
use schemars::JsonSchema;
use serde::Deserialize;

pub mod get_keys;
pub mod get_profile;
pub mod list_keys;
pub mod list_profiles;

/// Names an account.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct AccountPath {
    /// The account.
    pub account_id: AccountId,
}
