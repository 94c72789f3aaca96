//! What an identity key signs: canonical bytes of the two certificates, and their verification.
//!
//! Both start with a context string, padded with zero bytes to 32, so that a signature over one is never one over the
//! other or over anything else. All fields have fixed widths.
//!
//! | device certificate, 128 bytes | | recovery certificate, 96 bytes | |
//! | --- | --- | --- | --- |
//! | 0..32 | `envoi device certificate v1`, zeros | 0..32 | `envoi recovery certificate v1`, zeros |
//! | 32..48 | account id | 32..48 | account id |
//! | 48..64 | device id | 48..64 | recovery id |
//! | 64..96 | X25519 key | 64..96 | X25519 key |
//! | 96..128 | Ed25519 key | | |

use ed25519_dalek::VerifyingKey;

use crate::{AccountId, DeviceId, HpkeKey, RecipientId, Rejection, Signature, VerifyKey};

/// Opens a device certificate.
pub const DEVICE_CONTEXT: &[u8; 32] = b"envoi device certificate v1\0\0\0\0\0";
/// Opens a recovery certificate.
pub const RECOVERY_CONTEXT: &[u8; 32] = b"envoi recovery certificate v1\0\0\0";

/// The bytes that certify a device.
pub fn device_certificate(
    account: AccountId,
    device: DeviceId,
    hpke_key: &HpkeKey,
    verify_key: &VerifyKey,
) -> Vec<u8> {
    let parts: [&[u8]; 5] =
        [DEVICE_CONTEXT, account.as_bytes(), device.as_bytes(), hpke_key.as_bytes(), verify_key.as_bytes()];
    parts.concat()
}

/// The bytes that certify a recovery key.
pub fn recovery_certificate(account: AccountId, recovery: RecipientId, recovery_key: &HpkeKey) -> Vec<u8> {
    let parts: [&[u8]; 4] =
        [RECOVERY_CONTEXT, account.as_bytes(), recovery.as_bytes(), recovery_key.as_bytes()];
    parts.concat()
}

/// Verifies an identity key's signature over a certificate (RFC 8032, strict: no small-order keys or points).
///
/// # Errors
/// [`Rejection::CertificateInvalid`].
pub fn verify(identity_key: &VerifyKey, certificate: &[u8], signature: &Signature) -> Result<(), Rejection> {
    let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
    VerifyingKey::from_bytes(identity_key.as_bytes())
        .and_then(|key| key.verify_strict(certificate, &signature))
        .map_err(|_| Rejection::CertificateInvalid)
}

/// Checks that an Ed25519 key is the canonical encoding of a point that is not of small order.
///
/// # Errors
/// [`Rejection::InvalidField`] for `field`.
pub(super) fn check_verify_key(field: &'static str, key: &VerifyKey) -> Result<(), Rejection> {
    match VerifyingKey::from_bytes(key.as_bytes()) {
        Ok(point) if !point.is_weak() && point.to_edwards().compress().as_bytes() == key.as_bytes() => Ok(()),
        Ok(_) | Err(_) => Err(Rejection::InvalidField { field, reason: "must be an Ed25519 public key" }),
    }
}

/// u-coordinates of the points of small order that a contribution with them would make every secret zero (RFC 7748
/// section 6.1): 0, 1 and p - 1; the rest are caught by whoever wraps (RFC 9180 section 7.1.4).
const SMALL_ORDER: [[u8; 32]; 3] = {
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    [[0; 32], one, minus_one]
};

/// Checks that an X25519 key is not one that makes every shared secret zero.
///
/// # Errors
/// [`Rejection::InvalidField`] for `field`.
pub(super) fn check_hpke_key(field: &'static str, key: &HpkeKey) -> Result<(), Rejection> {
    if SMALL_ORDER.contains(key.as_bytes()) {
        return Err(Rejection::InvalidField { field, reason: "must be an X25519 public key" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::{Identity, OWNER, PHONE};
    use ed25519_dalek::{Signer, SigningKey};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A vector that another implementation can check: identity seed 07 x 32, account 01 x 16, device 02 x 16, X25519 key
    /// 03 x 32, Ed25519 key 04 x 32.
    #[test]
    fn the_device_certificate_is_these_bytes_and_this_signature() {
        let account = AccountId::from_bytes([1; 16]);
        let device = DeviceId::from_bytes([2; 16]);
        let bytes = device_certificate(
            account,
            device,
            &HpkeKey::from_bytes([3; 32]),
            &VerifyKey::from_bytes([4; 32]),
        );
        let expected = format!(
            "656e766f69206465766963652063657274696669636174652076310000000000{}{}{}{}",
            "01".repeat(16),
            "02".repeat(16),
            "03".repeat(32),
            "04".repeat(32)
        );
        assert_eq!(hex(&bytes), expected);
        let identity = SigningKey::from_bytes(&[7; 32]);
        assert_eq!(hex(identity.verifying_key().as_bytes()), IDENTITY_KEY);
        assert_eq!(hex(&identity.sign(&bytes).to_bytes()), DEVICE_SIGNATURE);
    }

    #[test]
    fn the_recovery_certificate_is_these_bytes_and_this_signature() {
        let account = AccountId::from_bytes([1; 16]);
        let bytes =
            recovery_certificate(account, RecipientId::from_bytes([5; 16]), &HpkeKey::from_bytes([6; 32]));
        let expected = format!(
            "656e766f69207265636f766572792063657274696669636174652076310000{}{}{}{}",
            "00",
            "01".repeat(16),
            "05".repeat(16),
            "06".repeat(32)
        );
        assert_eq!(hex(&bytes), expected);
        let identity = SigningKey::from_bytes(&[7; 32]);
        assert_eq!(hex(&identity.sign(&bytes).to_bytes()), RECOVERY_SIGNATURE);
    }

    const IDENTITY_KEY: &str = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
    const DEVICE_SIGNATURE: &str = "86b9f09edc9563627f1b42a47b65c555d34107fad9049c9c5913f7cba74b5ed813bdb35082d206e69b61b3acafae547e7113fb21df7d9cf5ce2f952d41a33b04";
    const RECOVERY_SIGNATURE: &str = "87fa4e7149177db1f951859ed1f5970651a97b4a7bba8ddef6576c9ee0f68631a85c2d013bcec18405113d28de394460944366a58282f9a591e48cd29fb91100";

    #[test]
    fn a_certificate_holds_for_nothing_else() {
        let identity = Identity::new(1);
        let device = identity.device(PHONE);
        let key = identity.verify_key();
        let bytes = device_certificate(OWNER, PHONE, &device.hpke_key, &device.verify_key);
        assert_eq!(verify(&key, &bytes, &device.certificate), Ok(()));
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert_eq!(verify(&key, &changed, &device.certificate), Err(Rejection::CertificateInvalid));
        }
        let stranger = Identity::new(2).verify_key();
        assert_eq!(verify(&stranger, &bytes, &device.certificate), Err(Rejection::CertificateInvalid));
    }

    #[test]
    fn small_order_keys_are_refused() {
        let mut one = [0; 32];
        one[0] = 1;
        assert!(check_verify_key("verify_key", &VerifyKey::from_bytes(one)).is_err());
        assert!(check_verify_key("verify_key", &VerifyKey::from_bytes([0xff; 32])).is_err());
        assert!(check_hpke_key("hpke_key", &HpkeKey::from_bytes([0; 32])).is_err());
        assert!(check_hpke_key("hpke_key", &HpkeKey::from_bytes([9; 32])).is_ok());
        // The neutral point as key, with an all-zero signature scalar, verifies anything under lax rules.
        let mut signature = [0; 64];
        signature[0] = 1;
        let signature = Signature::from_bytes(signature);
        assert_eq!(verify(&VerifyKey::from_bytes(one), b"x", &signature), Err(Rejection::CertificateInvalid));
    }
}
