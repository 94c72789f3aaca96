//! What can be asked of an account's keys and devices.

use crate::{AccountId, DeviceId, HpkeKey, RecipientId, Signature, VerifyKey};

use super::{DeviceLabel, DeviceRevocationCause, IdentityVault};

/// A command to the keys and devices of one account.
#[derive(Clone, Debug)]
pub enum DeviceCommand {
    /// See [`PublishIdentity`].
    PublishIdentity(PublishIdentity),
    /// See [`EnrollDevice`].
    Enroll(EnrollDevice),
    /// See [`RenameDevice`].
    Rename(RenameDevice),
    /// See [`RevokeDevice`].
    Revoke(RevokeDevice),
}

/// Publishes identity and recovery key, once.
#[derive(Clone, Debug)]
pub struct PublishIdentity {
    /// The account.
    pub account_id: AccountId,
    /// The identity key.
    pub identity_key: VerifyKey,
    /// Names the recovery key.
    pub recovery_id: RecipientId,
    /// The recovery key.
    pub recovery_key: HpkeKey,
    /// Signature over the recovery certificate.
    pub recovery_certificate: Signature,
    /// The encrypted private keys.
    pub vault: IdentityVault,
}

/// Adds a device that the identity key certifies.
#[derive(Clone, Debug)]
pub struct EnrollDevice {
    /// The device.
    pub device_id: DeviceId,
    /// To wrap for it.
    pub hpke_key: HpkeKey,
    /// To verify what it signs.
    pub verify_key: VerifyKey,
    /// Signature over the device certificate.
    pub certificate: Signature,
    /// Its label.
    pub label: DeviceLabel,
}

/// Gives a device another label.
#[derive(Clone, Debug)]
pub struct RenameDevice {
    /// The device.
    pub device_id: DeviceId,
    /// The new label.
    pub label: DeviceLabel,
}

/// Revokes a device, for good.
#[derive(Clone, Debug)]
pub struct RevokeDevice {
    /// The device.
    pub device_id: DeviceId,
    /// Why.
    pub cause: DeviceRevocationCause,
}
