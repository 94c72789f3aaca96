//! AES-256-SIV (RFC 5297) over a list of headers, the nonce being the last.

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;

/// Length of a key in bytes.
pub const KEY_BYTES: usize = 64;
/// What encryption adds: the synthetic IV.
pub const TAG_BYTES: usize = 16;

/// The ciphertext was not made with this key and these headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAuthentic;

/// Encrypts.
///
/// # Errors
/// Fails only for more than 126 headers, which no caller has.
pub fn encrypt(key: &[u8; KEY_BYTES], headers: &[&[u8]], plaintext: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
    Aes256Siv::new(&(*key).into()).encrypt(headers, plaintext).map_err(|_| NotAuthentic)
}

/// Decrypts.
///
/// # Errors
/// [`NotAuthentic`]: another key, other headers or another ciphertext.
pub fn decrypt(key: &[u8; KEY_BYTES], headers: &[&[u8]], ciphertext: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
    Aes256Siv::new(&(*key).into()).decrypt(headers, ciphertext).map_err(|_| NotAuthentic)
}
