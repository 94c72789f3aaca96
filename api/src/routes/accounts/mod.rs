//! Other people's accounts.

use domain::AccountId;
use schemars::JsonSchema;
use serde::Deserialize;

pub mod get_keys;
pub mod get_profile;

/// Names an account.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct AccountPath {
    /// The account.
    pub account_id: AccountId,
}
