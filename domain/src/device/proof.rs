//! What a device signs to show that a request comes from it: canonical bytes of the two proofs, and their verification.
//!
//! As certificates, both start with a context string, padded with zero bytes to 32, and all fields have fixed widths.
//!
//! | login proof, 72 bytes | | refresh proof, 104 bytes | |
//! | --- | --- | --- | --- |
//! | 0..32 | `envoi login proof v1`, zeros | 0..32 | `envoi refresh proof v1`, zeros |
//! | 32..48 | account id | 32..48 | session id |
//! | 48..64 | device id | 48..64 | device id |
//! | 64..72 | time, microseconds, big endian | 64..96 | BLAKE3 of the token's text |
//! | | | 96..104 | time, microseconds, big endian |

use ed25519_dalek::VerifyingKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::DEVICE_PROOF_SECONDS;
use crate::{AccountId, DeviceId, Digest, SessionId, Signature, Timestamp, VerifyKey};

/// Opens a login proof.
pub const LOGIN_CONTEXT: &[u8; 32] = b"envoi login proof v1\0\0\0\0\0\0\0\0\0\0\0\0";
/// Opens a refresh proof.
pub const REFRESH_CONTEXT: &[u8; 32] = b"envoi refresh proof v1\0\0\0\0\0\0\0\0\0\0";

/// A device's signature over a request, with its Ed25519 key.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceProof {
    /// When it was signed, by the device's clock.
    pub signed_at: Timestamp,
    /// The signature.
    pub signature: Signature,
}

impl DeviceProof {
    /// Whether it is the signature of `key` over `bytes`, which name its time, made within
    /// [`DEVICE_PROOF_SECONDS`] before or after `now` (RFC 8032, strict).
    pub fn holds(&self, key: &VerifyKey, bytes: &[u8], now: Timestamp) -> bool {
        let is_fresh = self.signed_at < now.plus_seconds(DEVICE_PROOF_SECONDS)
            && now < self.signed_at.plus_seconds(DEVICE_PROOF_SECONDS);
        let signature = ed25519_dalek::Signature::from_bytes(self.signature.as_bytes());
        is_fresh
            && VerifyingKey::from_bytes(key.as_bytes())
                .is_ok_and(|key| key.verify_strict(bytes, &signature).is_ok())
    }
}

/// The bytes that a device signs to log in.
pub fn login_proof(account: AccountId, device: DeviceId, signed_at: Timestamp) -> Vec<u8> {
    let time = signed_at.as_micros().to_be_bytes();
    let parts: [&[u8]; 4] = [LOGIN_CONTEXT, account.as_bytes(), device.as_bytes(), &time];
    parts.concat()
}

/// The bytes that a device signs to exchange a refresh token of its session.
pub fn refresh_proof(session: SessionId, device: DeviceId, token: &str, signed_at: Timestamp) -> Vec<u8> {
    let token = Digest::from_bytes(*blake3::hash(token.as_bytes()).as_bytes());
    let time = signed_at.as_micros().to_be_bytes();
    let parts: [&[u8]; 5] = [REFRESH_CONTEXT, session.as_bytes(), device.as_bytes(), token.as_bytes(), &time];
    parts.concat()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;
    use crate::testing::NOW;

    const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
    const DEVICE: DeviceId = DeviceId::from_bytes([2; 16]);
    const SESSION: SessionId = SessionId::from_bytes([3; 16]);

    fn signed(bytes: &[u8], signed_at: Timestamp) -> (VerifyKey, DeviceProof) {
        let key = SigningKey::from_bytes(&[7; 32]);
        let signature = Signature::from_bytes(key.sign(bytes).to_bytes());
        (VerifyKey::from_bytes(key.verifying_key().to_bytes()), DeviceProof { signed_at, signature })
    }

    #[test]
    fn a_proof_holds_for_what_was_signed_and_for_a_short_time() {
        let bytes = login_proof(ACCOUNT, DEVICE, NOW);
        let (key, proof) = signed(&bytes, NOW);
        for seconds in [-DEVICE_PROOF_SECONDS + 1, 0, DEVICE_PROOF_SECONDS - 1] {
            assert!(proof.holds(&key, &bytes, NOW.plus_seconds(seconds)), "{seconds}");
        }
        for seconds in [-DEVICE_PROOF_SECONDS, DEVICE_PROOF_SECONDS] {
            assert!(!proof.holds(&key, &bytes, NOW.plus_seconds(seconds)), "{seconds}");
        }
        for other in [
            login_proof(ACCOUNT, DeviceId::from_bytes([9; 16]), NOW),
            login_proof(AccountId::from_bytes([9; 16]), DEVICE, NOW),
            login_proof(ACCOUNT, DEVICE, NOW.plus_seconds(1)),
            refresh_proof(SESSION, DEVICE, "token", NOW),
        ] {
            assert!(!proof.holds(&key, &other, NOW));
        }
        assert!(!proof.holds(&VerifyKey::from_bytes([9; 32]), &bytes, NOW));
    }

    #[test]
    fn a_refresh_proof_is_for_one_token() {
        let bytes = refresh_proof(SESSION, DEVICE, "one", NOW);
        let (key, proof) = signed(&bytes, NOW);
        assert!(proof.holds(&key, &bytes, NOW));
        assert!(!proof.holds(&key, &refresh_proof(SESSION, DEVICE, "other", NOW), NOW));
        assert_eq!((bytes.len(), login_proof(ACCOUNT, DEVICE, NOW).len()), (104, 72));
    }
}
