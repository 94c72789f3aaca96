//! Private keys. Each is wiped when dropped and shows nothing in `Debug`.

use std::fmt;

use domain::device::DeviceProof;
use domain::device::proof::{login_proof, refresh_proof};
use domain::{
    AccountDevice, AccountId, DeviceId, HpkeKey, RecipientId, SessionId, Signature, Timestamp, VerifyKey,
};
use ed25519_dalek::{Signer, SigningKey};
use zeroize::Zeroizing;

use super::random::{CryptoRng, draw};

/// An account's identity key: certifies its devices and its recovery key.
pub struct IdentityKey(SigningKey);

impl IdentityKey {
    /// Makes one.
    pub fn generate(random: &mut impl CryptoRng) -> Self {
        Self::from_seed(&Zeroizing::new(draw(random)))
    }

    /// The key of an RFC 8032 seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The public half.
    pub fn public(&self) -> VerifyKey {
        VerifyKey::from_bytes(self.0.verifying_key().to_bytes())
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> Signature {
        Signature::from_bytes(self.0.sign(bytes).to_bytes())
    }
}

/// An X25519 private key that wraps are opened with.
#[derive(Clone)]
pub struct HpkeSecret(Zeroizing<[u8; 32]>);

impl HpkeSecret {
    /// Makes one.
    pub fn generate(random: &mut impl CryptoRng) -> Self {
        Self(Zeroizing::new(draw(random)))
    }

    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public half.
    pub fn public(&self) -> HpkeKey {
        let secret = x25519_dalek::StaticSecret::from(*self.0);
        HpkeKey::from_bytes(x25519_dalek::PublicKey::from(&secret).to_bytes())
    }
}

/// A device's two private keys.
pub struct DeviceKeys {
    account_id: AccountId,
    device_id: DeviceId,
    hpke: HpkeSecret,
    signing: SigningKey,
}

impl DeviceKeys {
    /// Makes the keys of a new device.
    pub fn generate(account_id: AccountId, device_id: DeviceId, random: &mut impl CryptoRng) -> Self {
        let hpke = HpkeSecret::generate(random);
        Self::from_parts(account_id, device_id, hpke, &Zeroizing::new(draw(random)))
    }

    /// The keys with these private parts.
    pub fn from_parts(
        account_id: AccountId,
        device_id: DeviceId,
        hpke: HpkeSecret,
        signing_seed: &[u8; 32],
    ) -> Self {
        Self { account_id, device_id, hpke, signing: SigningKey::from_bytes(signing_seed) }
    }

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

    /// Opens what is wrapped for the device.
    pub fn hpke(&self) -> &HpkeSecret {
        &self.hpke
    }

    /// Verifies what the device signs.
    pub fn verify_key(&self) -> VerifyKey {
        VerifyKey::from_bytes(self.signing.verifying_key().to_bytes())
    }

    pub(crate) fn signing_seed(&self) -> &[u8; 32] {
        self.signing.as_bytes()
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> Signature {
        Signature::from_bytes(self.signing.sign(bytes).to_bytes())
    }

    /// Shows the server that a login comes from this device.
    pub fn login_proof(&self, signed_at: Timestamp) -> DeviceProof {
        let bytes = login_proof(self.account_id, self.device_id, signed_at);
        DeviceProof { signed_at, signature: self.sign(&bytes) }
    }

    /// Shows the server that the exchange of `refresh_token` comes from this device.
    pub fn refresh_proof(
        &self,
        session: SessionId,
        refresh_token: &str,
        signed_at: Timestamp,
    ) -> DeviceProof {
        let bytes = refresh_proof(session, self.device_id, refresh_token, signed_at);
        DeviceProof { signed_at, signature: self.sign(&bytes) }
    }
}

/// An account's recovery key: always a recipient, kept by the person, so that losing every device loses no history.
pub struct RecoveryKey {
    recipient_id: RecipientId,
    secret: HpkeSecret,
}

impl RecoveryKey {
    /// Makes one.
    pub fn generate(recipient_id: RecipientId, random: &mut impl CryptoRng) -> Self {
        Self { recipient_id, secret: HpkeSecret::generate(random) }
    }

    /// The key with these parts.
    pub fn from_parts(recipient_id: RecipientId, secret: HpkeSecret) -> Self {
        Self { recipient_id, secret }
    }

    /// Names it as a recipient.
    pub fn recipient_id(&self) -> RecipientId {
        self.recipient_id
    }

    /// Opens what is wrapped for it.
    pub fn secret(&self) -> &HpkeSecret {
        &self.secret
    }
}

macro_rules! redacted {
    ($($name:ident)*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        })*
    };
}

redacted!(IdentityKey HpkeSecret DeviceKeys RecoveryKey);
