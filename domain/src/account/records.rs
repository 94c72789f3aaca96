//! What is personal about an account.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{normalize, normalize_name};

/// How to reach an account's owner.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountContact {
    /// E-mail address, lower case, Unicode NFC, its domain in ASCII (Punycode).
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

impl AccountProfile {
    /// The same with its texts in the form that is stored.
    pub fn normal(self) -> Self {
        let locale = self.locale.map(|locale| locale.trim().to_owned());
        Self { display_name: normalize_name(&self.display_name), locale }
    }
}

/// What only the owner sees.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountMetadata {
    /// E.164 phone number.
    pub phone: Option<String>,
    /// Postal address.
    pub address: Option<String>,
}

impl AccountMetadata {
    /// The same with its texts in the form that is stored.
    pub fn normal(self) -> Self {
        let normal = |text: Option<String>| text.map(|text| normalize(&text));
        Self { phone: normal(self.phone), address: normal(self.address) }
    }
}
