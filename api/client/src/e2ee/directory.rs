//! The public keys of accounts: claims of the server until the account's identity key vouches for them.

use std::collections::BTreeMap;

use domain::conversation::{Recipient, RecipientKind};
use domain::device::certificate;
use domain::{
    AccountDevice, AccountId, AccountRecipient, DeviceId, HpkeKey, RecipientId, Signature, VerifyKey,
};

use super::keys::{DeviceKeys, IdentityKey, RecoveryKey};

/// Why keys are not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The account's identity key is another than the one known.
    #[error("the identity key of account {0} is another than the one known: compare safety numbers")]
    IdentityChanged(AccountId),
    /// The identity key did not certify the device.
    #[error("device {1} is not certified by account {0}")]
    DeviceUncertified(AccountId, DeviceId),
    /// The identity key did not certify the recovery key.
    #[error("the recovery key of account {0} is not certified by it")]
    RecoveryUncertified(AccountId),
    /// The account has no such device.
    #[error("account {0} has no device {1}")]
    DeviceUnknown(AccountId, DeviceId),
    /// The account has no such recipient (any more), or one with other keys.
    #[error("account {0} has no recipient {1} with these keys")]
    RecipientUnknown(AccountId, RecipientId),
}

/// A device as the server tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedDevice {
    /// The device.
    pub device_id: DeviceId,
    /// To wrap for it.
    pub hpke_key: HpkeKey,
    /// To verify what it signs.
    pub verify_key: VerifyKey,
    /// The identity key's signature.
    pub certificate: Signature,
    /// Whether it was revoked: what it sent stays verifiable, but nothing is wrapped for it.
    pub revoked: bool,
}

/// An account's keys as the server tells of them. Revoked devices are among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedKeys {
    /// The account.
    pub account_id: AccountId,
    /// Its identity key.
    pub identity_key: VerifyKey,
    /// Names its recovery key.
    pub recovery_id: RecipientId,
    /// Its recovery key.
    pub recovery_key: HpkeKey,
    /// The identity key's signature over it.
    pub recovery_certificate: Signature,
    /// Its devices.
    pub devices: Vec<ClaimedDevice>,
}

/// A device that its account's identity key vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertifiedDevice {
    account_id: AccountId,
    device_id: DeviceId,
    hpke_key: HpkeKey,
    verify_key: VerifyKey,
    revoked: bool,
}

impl CertifiedDevice {
    /// Whose device.
    pub fn account_id(&self) -> AccountId {
        self.account_id
    }

    /// Which device.
    pub fn device_id(&self) -> DeviceId {
        self.device_id
    }

    /// The device with its account: what names it among others'.
    pub fn account_device(&self) -> AccountDevice {
        AccountDevice::new(self.account_id, self.device_id)
    }

    /// Verifies what it signs.
    pub fn verify_key(&self) -> VerifyKey {
        self.verify_key
    }
}

/// Somebody to wrap for, whose account's identity key vouches for the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertifiedRecipient {
    account_id: AccountId,
    recipient_id: RecipientId,
    kind: RecipientKind,
    hpke_key: HpkeKey,
    verify_key: Option<VerifyKey>,
}

impl CertifiedRecipient {
    /// Whose.
    pub fn account_id(&self) -> AccountId {
        self.account_id
    }

    /// The recipient with its account: what names it among others'.
    pub fn account_recipient(&self) -> AccountRecipient {
        AccountRecipient::new(self.account_id, self.recipient_id)
    }

    /// To wrap for it.
    pub fn hpke_key(&self) -> HpkeKey {
        self.hpke_key
    }

    /// As it stands in a conversation's membership.
    pub fn as_recipient(&self) -> Recipient {
        let Self { recipient_id, kind, hpke_key, verify_key, .. } = *self;
        Recipient { recipient_id, kind, hpke_key, verify_key }
    }
}

impl From<&CertifiedDevice> for CertifiedRecipient {
    fn from(device: &CertifiedDevice) -> Self {
        Self {
            account_id: device.account_id,
            recipient_id: device.device_id.into(),
            kind: RecipientKind::Device,
            hpke_key: device.hpke_key,
            verify_key: Some(device.verify_key),
        }
    }
}

/// An account's verified keys.
#[derive(Clone, Debug)]
pub struct AccountKeys {
    account_id: AccountId,
    identity_key: VerifyKey,
    devices: BTreeMap<DeviceId, CertifiedDevice>,
    recovery: CertifiedRecipient,
}

impl AccountKeys {
    /// Verifies what the server tells. `known` is the identity key trusted so far; with `None` the one told is trusted now,
    /// and the caller pins it.
    ///
    /// # Errors
    /// Each [`DirectoryError`] but the last two. One bad certificate spoils all: the server verified them once, so it lies. But a
    /// revoked device may be of an identity that the account gave up: it is left out, and nothing that it signed is believed.
    pub fn verify(claimed: &ClaimedKeys, known: Option<&VerifyKey>) -> Result<Self, DirectoryError> {
        let account_id = claimed.account_id;
        let identity_key = claimed.identity_key;
        if known.is_some_and(|known| *known != identity_key) {
            return Err(DirectoryError::IdentityChanged(account_id));
        }
        let signed =
            certificate::recovery_certificate(account_id, claimed.recovery_id, &claimed.recovery_key);
        certificate::verify(&identity_key, &signed, &claimed.recovery_certificate)
            .map_err(|_| DirectoryError::RecoveryUncertified(account_id))?;
        let mut devices = BTreeMap::new();
        for device in &claimed.devices {
            let ClaimedDevice { device_id, hpke_key, verify_key, revoked, .. } = *device;
            let signed = certificate::device_certificate(account_id, device_id, &hpke_key, &verify_key);
            match certificate::verify(&identity_key, &signed, &device.certificate) {
                Ok(()) => {}
                Err(_) if revoked => continue,
                Err(_) => return Err(DirectoryError::DeviceUncertified(account_id, device_id)),
            }
            devices
                .insert(device_id, CertifiedDevice { account_id, device_id, hpke_key, verify_key, revoked });
        }
        let recovery = CertifiedRecipient {
            account_id,
            recipient_id: claimed.recovery_id,
            kind: RecipientKind::Recovery,
            hpke_key: claimed.recovery_key,
            verify_key: None,
        };
        Ok(Self { account_id, identity_key, devices, recovery })
    }

    /// The account.
    pub fn account_id(&self) -> AccountId {
        self.account_id
    }

    /// The key that vouches for the others.
    pub fn identity_key(&self) -> VerifyKey {
        self.identity_key
    }

    /// One of its devices, revoked or not.
    ///
    /// # Errors
    /// [`DirectoryError::DeviceUnknown`].
    pub fn device(&self, device_id: DeviceId) -> Result<&CertifiedDevice, DirectoryError> {
        self.devices.get(&device_id).ok_or(DirectoryError::DeviceUnknown(self.account_id, device_id))
    }

    /// The account's recovery key.
    pub fn recovery(&self) -> &CertifiedRecipient {
        &self.recovery
    }

    /// The recipient that a conversation's membership tells of, if it is this account's with exactly these keys.
    ///
    /// # Errors
    /// [`DirectoryError::RecipientUnknown`].
    pub fn recipient(&self, told: &Recipient) -> Result<CertifiedRecipient, DirectoryError> {
        let certified = match told.kind {
            RecipientKind::Recovery => Some(self.recovery),
            RecipientKind::Device => self
                .devices
                .get(&DeviceId::from_bytes(*told.recipient_id.as_bytes()))
                .filter(|device| !device.revoked)
                .map(CertifiedRecipient::from),
        };
        certified
            .filter(|certified| certified.as_recipient() == *told)
            .ok_or(DirectoryError::RecipientUnknown(self.account_id, told.recipient_id))
    }
}

impl IdentityKey {
    /// Certifies a device of its account, as it is enrolled.
    pub fn certify_device(&self, device: &DeviceKeys) -> ClaimedDevice {
        let (hpke_key, verify_key) = (device.hpke().public(), device.verify_key());
        let device_id = device.device_id();
        let signed = certificate::device_certificate(device.account_id(), device_id, &hpke_key, &verify_key);
        ClaimedDevice { device_id, hpke_key, verify_key, certificate: self.sign(&signed), revoked: false }
    }

    /// Certifies the recovery key of `account`; gives the signature.
    pub fn certify_recovery(&self, account: AccountId, recovery: &RecoveryKey) -> Signature {
        let key = recovery.secret().public();
        self.sign(&certificate::recovery_certificate(account, recovery.recipient_id(), &key))
    }
}
