//! What is personal about devices and keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Blob;
use crate::text::normalize_name;

/// What the owner calls a device.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceLabel {
    /// Name to show.
    pub name: String,
}

impl DeviceLabel {
    /// The same with its texts in the form that is stored.
    pub fn normal(self) -> Self {
        Self { name: normalize_name(&self.name) }
    }
}

/// The identity and recovery private keys, encrypted on the client under a key from its passphrase.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityVault {
    /// Opaque to the server; the client names its own parameters inside.
    pub encrypted_private_key: Blob,
}
