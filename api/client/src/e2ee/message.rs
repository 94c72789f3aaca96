//! Messages, edits and reactions: sealed by one device, verified by every other.
//!
//! Sealing: content is encoded ([`super::content`]), padded ([`super::padding`]) and encrypted with AES-256-SIV (RFC 5297)
//! under the cipher key, 64 bytes of BLAKE3 `derive_key("envoi 2026-11-21 message cipher v1", sender key)`
//! ([`super::generation`]). The headers are the associated data of [`MessageBinding`] and a random 16-byte nonce. The padded
//! content is committed to ([`super::franking`]) and everything is signed by the device.
//!
//! Opening verifies in this order and stops at the first that fails: the device is one that its account's identity key
//! certified (by type), it is the bound sender, its signature, the ciphertext, the commitment, the padding, the content.

use domain::conversation::binding::{MessageBinding, is_signed};
use domain::conversation::{Cipher, MessageBody};
use domain::{Blob, Nonce};
use zeroize::Zeroizing;

use super::content::Content;
use super::directory::CertifiedDevice;
use super::franking::{Disclosure, FrankingKey};
use super::generation::{GenerationKey, SenderKey};
use super::keys::DeviceKeys;
use super::random::{CryptoRng, draw};
use super::{padding, siv};

const CIPHER_CONTEXT: &str = "envoi 2026-11-21 message cipher v1";

/// Why something could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The content is longer than the largest bucket holds.
    #[error("the content is longer than {} bytes", padding::CONTENT_BYTES_MAX)]
    TooLong,
    /// The content is of a kind that this version only reads.
    #[error("content of this kind cannot be sent")]
    Unsupported,
    /// The binding names another sender than the device that seals.
    #[error("the sender is not this device")]
    SenderMismatch,
}

/// Why something could not be opened, in the order in which it is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is not encrypted.
    #[error("the message is not encrypted")]
    NotEncrypted,
    /// The certified device is not the sender that the message is said to have.
    #[error("the sender is not the device whose keys were given")]
    SenderMismatch,
    /// The sending device did not sign this, with this binding.
    #[error("the signature is not the sending device's, or the message was moved or changed")]
    SignatureInvalid,
    /// It is signed, but not encrypted under this generation's key.
    #[error("the message does not open with the generation's key")]
    Undecryptable,
    /// The commitment is to another key or content: a message made to be read in two ways.
    #[error("the message's commitment is not to what it says")]
    CommitmentMismatch,
    /// The padding is malformed.
    #[error("the message is padded wrongly")]
    PaddingInvalid,
    /// The content cannot be read.
    #[error("the message's content is malformed")]
    ContentMalformed,
}

/// A verified and decrypted message.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What it says.
    pub content: Content,
    /// What to hand over to report it.
    pub disclosure: Disclosure,
}

fn cipher_key(sender: &SenderKey) -> Zeroizing<[u8; siv::KEY_BYTES]> {
    let mut key = Zeroizing::new([0; siv::KEY_BYTES]);
    let mut hasher = blake3::Hasher::new_derive_key(CIPHER_CONTEXT);
    hasher.update(sender.as_bytes()).finalize_xof().fill(key.as_mut());
    key
}

/// Seals content as `device`.
///
/// # Errors
/// Each [`SealError`].
pub fn seal(
    content: &Content,
    binding: &MessageBinding,
    key: &GenerationKey,
    device: &DeviceKeys,
    random: &mut impl CryptoRng,
) -> Result<MessageBody, SealError> {
    if (binding.sender_id, binding.device_id) != (device.account_id(), device.device_id()) {
        return Err(SealError::SenderMismatch);
    }
    let encoded = content.encode().ok_or(SealError::Unsupported)?;
    let padded = Zeroizing::new(padding::pad(encoded).ok_or(SealError::TooLong)?);
    seal_padded(&padded, binding, key, device, draw(random))
}

pub(crate) fn seal_padded(
    padded: &[u8],
    binding: &MessageBinding,
    key: &GenerationKey,
    device: &DeviceKeys,
    nonce: [u8; Nonce::SIZE],
) -> Result<MessageBody, SealError> {
    let sender = key.sender_key(binding.sender_id, binding.device_id);
    let data = binding.associated_data();
    let ciphertext =
        siv::encrypt(&cipher_key(&sender), &[&data, &nonce], padded).map_err(|_| SealError::TooLong)?;
    let commitment = FrankingKey::new(&sender, &nonce).commit(&data, padded);
    let nonce = Nonce::from_bytes(nonce);
    let signature = device.sign(&binding.signature_input(&nonce, &commitment, &ciphertext));
    Ok(MessageBody { content: Blob::new(ciphertext), cipher: Some(Cipher { nonce, commitment, signature }) })
}

/// Verifies and opens what `sender` is said to have sent.
///
/// # Errors
/// The first [`OpenError`] that holds.
pub fn open(
    body: &MessageBody,
    binding: &MessageBinding,
    key: &GenerationKey,
    sender: &CertifiedDevice,
) -> Result<Opened, OpenError> {
    let cipher = body.cipher.as_ref().ok_or(OpenError::NotEncrypted)?;
    if (binding.sender_id, binding.device_id) != (sender.account_id(), sender.device_id()) {
        return Err(OpenError::SenderMismatch);
    }
    let ciphertext = body.content.as_slice();
    let signed = binding.signature_input(&cipher.nonce, &cipher.commitment, ciphertext);
    if !is_signed(&sender.verify_key(), &signed, &cipher.signature) {
        return Err(OpenError::SignatureInvalid);
    }
    let secret = key.sender_key(binding.sender_id, binding.device_id);
    let data = binding.associated_data();
    let nonce = cipher.nonce.as_bytes();
    let padded = siv::decrypt(&cipher_key(&secret), &[&data, nonce], ciphertext)
        .map(Zeroizing::new)
        .map_err(|_| OpenError::Undecryptable)?;
    let franking = FrankingKey::new(&secret, nonce);
    if !franking.verify(&data, &padded, &cipher.commitment) {
        return Err(OpenError::CommitmentMismatch);
    }
    let encoded = padding::unpad(&padded).ok_or(OpenError::PaddingInvalid)?;
    let content = Content::decode(encoded).ok_or(OpenError::ContentMalformed)?;
    Ok(Opened { content, disclosure: Disclosure { key: franking, padded } })
}
