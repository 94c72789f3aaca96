//! What the tests of device rules share.

use ed25519_dalek::{Signer, SigningKey};

use crate::testing::account;
use crate::{AccountId, Blob, DeviceId, HpkeKey, RecipientId, Signature, VerifyKey};

use super::certificate::{device_certificate, recovery_certificate};
use super::commands::{EnrollDevice, PublishIdentity};
use super::*;

pub(super) const OWNER: AccountId = account(1);
pub(super) const STRANGER: AccountId = account(2);
pub(super) const PHONE: DeviceId = DeviceId::from_bytes([11; 16]);
pub(super) const LAPTOP: DeviceId = DeviceId::from_bytes([12; 16]);
pub(super) const RECOVERY: RecipientId = RecipientId::from_bytes([19; 16]);

/// An identity key pair that certifies for [`OWNER`].
pub(super) struct Identity(SigningKey);

impl Identity {
    pub(super) fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    pub(super) fn verify_key(&self) -> VerifyKey {
        VerifyKey::from_bytes(self.0.verifying_key().to_bytes())
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> Signature {
        Signature::from_bytes(self.0.sign(bytes).to_bytes())
    }

    pub(super) fn publication(&self) -> PublishIdentity {
        let recovery_key = HpkeKey::from_bytes([20; 32]);
        PublishIdentity {
            account_id: OWNER,
            identity_key: self.verify_key(),
            recovery_id: RECOVERY,
            recovery_key,
            recovery_certificate: self.sign(&recovery_certificate(OWNER, RECOVERY, &recovery_key)),
            vault: IdentityVault { encrypted_private_key: Blob::new(vec![1; 96]) },
            reset: None,
        }
    }

    pub(super) fn device(&self, device_id: DeviceId) -> EnrollDevice {
        let hpke_key = HpkeKey::from_bytes([device_id.as_bytes()[0]; 32]);
        let seed = device_id.as_bytes()[0];
        let verify_key =
            VerifyKey::from_bytes(SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes());
        let certificate = self.sign(&device_certificate(OWNER, device_id, &hpke_key, &verify_key));
        EnrollDevice {
            device_id,
            hpke_key,
            verify_key,
            certificate,
            label: DeviceLabel { name: "phone".into() },
        }
    }
}

/// The event of publishing `identity`.
pub(super) fn published(identity: &Identity) -> DeviceEvent {
    let command = identity.publication();
    IdentityPublished {
        account_id: OWNER,
        identity_key: command.identity_key,
        recovery_id: command.recovery_id,
        recovery_key: command.recovery_key,
        recovery_certificate: command.recovery_certificate,
        after_reset: None,
    }
    .into()
}

/// The event of enrolling a device.
pub(super) fn enrolled(identity: &Identity, device_id: DeviceId) -> DeviceEvent {
    let command = identity.device(device_id);
    DeviceEnrolled {
        account_id: OWNER,
        device_id,
        hpke_key: command.hpke_key,
        verify_key: command.verify_key,
        certificate: command.certificate,
    }
    .into()
}

pub(super) fn revoked(device_id: DeviceId) -> DeviceEvent {
    DeviceRevoked { account_id: OWNER, device_id, cause: DeviceRevocationCause::Lost }.into()
}
