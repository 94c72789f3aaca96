//! What is personal about devices and keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Blob;

/// What the owner calls a device.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceLabel {
    /// Name to show.
    pub name: String,
}

/// The identity and recovery private keys, encrypted on the client under a key from its passphrase.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityVault {
    /// Opaque to the server; the client names its own parameters inside.
    pub encrypted_private_key: Blob,
}
