//! What happens to an account's keys and devices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codes::codes;
use crate::event::events;
use crate::{AccountId, DeviceId, HpkeKey, RecipientId, Signature, VerifyKey};

use super::{DeviceLabel, IdentityVault};

codes! {
    /// Why a device was revoked.
    pub enum DeviceRevocationCause {
        /// Its owner does not want it any more.
        Requested = 1, "requested";
        /// It was lost or stolen.
        Lost = 2, "lost";
        /// The identity that certified it was given up for another.
        IdentityReplaced = 3, "identity_replaced";
    }
}

events! {
    /// Everything that happens to the keys and devices of one account.
    pub enum DeviceEvent in Device as Device {
        /// See [`IdentityPublished`].
        IdentityPublished(IdentityPublished) = "device.identity_published", 1, sealed in IdentityVault;
        /// See [`DeviceEnrolled`].
        Enrolled(DeviceEnrolled) = "device.enrolled", 1, sealed in DeviceLabel;
        /// See [`DeviceRenamed`].
        Renamed(DeviceRenamed) = "device.renamed", 1, sealed in DeviceLabel;
        /// See [`DeviceRevoked`].
        Revoked(DeviceRevoked) = "device.revoked", 1;
    }
}

/// The account's identity key and recovery recipient were published: once, and again after a reset of the password by mail, in
/// place of those before, whose devices were revoked with it. The private identity key is sealed, encrypted by the client before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityPublished {
    /// The account.
    pub account_id: AccountId,
    /// Certifies the account's devices and recovery key.
    pub identity_key: VerifyKey,
    /// Names the recovery key as a recipient of wraps.
    pub recovery_id: RecipientId,
    /// The recovery key, always an active recipient.
    pub recovery_key: HpkeKey,
    /// The identity key's signature over the recovery certificate (`crate::device::certificate`).
    pub recovery_certificate: Signature,
    /// Revision of the account's event by which its password had been reset last, if ever: each reset admits one identity.
    pub after_reset: Option<u64>,
}

/// A device was added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceEnrolled {
    /// The account.
    pub account_id: AccountId,
    /// The device.
    pub device_id: DeviceId,
    /// Its X25519 key, to wrap for.
    pub hpke_key: HpkeKey,
    /// Its Ed25519 key, to verify what it signs.
    pub verify_key: VerifyKey,
    /// The identity key's signature over the device certificate.
    pub certificate: Signature,
}

/// A device has another label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceRenamed {
    /// The account.
    pub account_id: AccountId,
    /// The device.
    pub device_id: DeviceId,
}

/// A device was revoked, for good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceRevoked {
    /// The account.
    pub account_id: AccountId,
    /// The device.
    pub device_id: DeviceId,
    /// Why.
    pub cause: DeviceRevocationCause,
}
