//! The key commitment of a message, which is its franking tag too.
//!
//! AES-SIV does not commit to its key: with two keys in hand one can make a ciphertext that opens to something under both,
//! and show a moderator another text than the recipient saw. So each message carries a commitment:
//!
//! - franking key, 32 bytes: BLAKE3 `derive_key("envoi 2026-11-21 franking key v1", sender key || nonce)`;
//! - commitment, 32 bytes: BLAKE3 `derive_key("envoi 2026-11-21 commitment v1", franking key || length of the associated
//!   data (8 bytes, big-endian) || associated data || padded content)`.
//!
//! Both steps are collision resistant, so the commitment binds sender key, nonce, associated data and content; it hides the
//! content from whoever lacks the franking key. A recipient recomputes it. To report a message, a recipient discloses
//! franking key and padded content ([`Disclosure`]); the server, which has the commitment from the day the message was
//! sent, signed by the sending device, verifies it with [`Disclosure::verify`] and learns nothing about other messages.

use domain::Digest;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::generation::SenderKey;
use super::padding;

const KEY_CONTEXT: &str = "envoi 2026-11-21 franking key v1";
const COMMITMENT_CONTEXT: &str = "envoi 2026-11-21 commitment v1";

/// Opens one message's commitment.
#[derive(Clone)]
pub struct FrankingKey(Zeroizing<[u8; 32]>);

impl FrankingKey {
    pub(crate) fn new(sender: &SenderKey, nonce: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(KEY_CONTEXT);
        Self(Zeroizing::new(*hasher.update(sender.as_bytes()).update(nonce).finalize().as_bytes()))
    }

    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, to disclose.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The commitment to padded content under associated data.
    pub fn commit(&self, associated_data: &[u8], padded: &[u8]) -> Digest {
        let length = u64::try_from(associated_data.len()).unwrap_or(u64::MAX);
        let mut hasher = blake3::Hasher::new_derive_key(COMMITMENT_CONTEXT);
        hasher.update(self.0.as_ref()).update(&length.to_be_bytes()).update(associated_data).update(padded);
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }

    pub(crate) fn verify(&self, associated_data: &[u8], padded: &[u8], commitment: &Digest) -> bool {
        self.commit(associated_data, padded).as_bytes().ct_eq(commitment.as_bytes()).into()
    }
}

impl std::fmt::Debug for FrankingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FrankingKey(..)")
    }
}

/// What a recipient hands over to report a message: proves what it said, to whoever has its commitment.
#[derive(Clone)]
pub struct Disclosure {
    /// Opens the commitment.
    pub key: FrankingKey,
    /// The content as it was committed to, padding included.
    pub padded: Zeroizing<Vec<u8>>,
}

impl Disclosure {
    /// Verifies it against a message's commitment and associated data; gives the content, encoded, or `None` when the
    /// disclosure is not that message's.
    pub fn verify(&self, associated_data: &[u8], commitment: &Digest) -> Option<&[u8]> {
        let valid = self.key.verify(associated_data, &self.padded, commitment);
        valid.then(|| padding::unpad(&self.padded)).flatten()
    }
}

impl std::fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Disclosure(..)")
    }
}
