//! What is personal about an account.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How to reach an account's owner.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountContact {
    /// E-mail address, lower case, Unicode NFC.
    pub email: String,
}

/// Proof of the password.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountPassword {
    /// Argon2id in PHC string format.
    pub phc: String,
}

/// What others of the same organizations see.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountProfile {
    /// Name to show.
    pub display_name: String,
    /// BCP 47 language tag, if told.
    pub locale: Option<String>,
}

/// What only the owner sees.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountMetadata {
    /// E.164 phone number.
    pub phone: Option<String>,
    /// Postal address.
    pub address: Option<String>,
}
