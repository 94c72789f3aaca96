//! Key wrapping: deterministic AES-256-SIV (RFC 5297) with what the key is for as headers.
//!
//! A wrapped key is one format byte and the SIV output (16 bytes of tag, then as many bytes as the key has).

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use zeroize::Zeroizing;

use super::names::KeyName;

/// A 64-byte AES-256-SIV key, wiped when dropped.
pub type SivKey = Zeroizing<[u8; 64]>;

const FORMAT: u8 = 1;

/// The bytes were wrapped under another key, for another purpose, or changed since.
#[derive(Debug)]
pub(super) struct Refused;

/// Wraps `key` under `by`, bound to `headers`.
pub(super) fn wrap(by: &SivKey, headers: &[&[u8]], key: &[u8]) -> Result<Vec<u8>, Refused> {
    let sealed = Aes256Siv::new((&**by).into()).encrypt(headers, key).map_err(|_| Refused)?;
    let mut wrapped = Vec::with_capacity(sealed.len().saturating_add(1));
    wrapped.push(FORMAT);
    wrapped.extend_from_slice(&sealed);
    Ok(wrapped)
}

/// Unwraps a key of `N` bytes.
pub(super) fn unwrap<const N: usize>(
    by: &SivKey,
    headers: &[&[u8]],
    wrapped: &[u8],
) -> Result<Zeroizing<[u8; N]>, Refused> {
    let (&FORMAT, sealed) = wrapped.split_first().ok_or(Refused)? else { return Err(Refused) };
    let plain = Aes256Siv::new((&**by).into()).decrypt(headers, sealed).map_err(|_| Refused)?;
    let plain = Zeroizing::new(plain);
    let mut key = Zeroizing::new([0; N]);
    if plain.len() != N {
        return Err(Refused);
    }
    key.copy_from_slice(&plain);
    Ok(key)
}

/// Wraps a key of the keyring under its shard's key: bound to kind, id, shard and version.
pub(super) fn wrap_named(
    by: &SivKey,
    name: KeyName,
    version: u16,
    key: &Zeroizing<[u8; 32]>,
) -> Result<Vec<u8>, Refused> {
    let [kind, id, shard, version] = headers(name, version);
    wrap(by, &[&kind, &id, &shard, &version], key.as_slice())
}

/// Unwraps what [`wrap_named`] gave.
pub(super) fn unwrap_named(
    by: &SivKey,
    name: KeyName,
    version: u16,
    wrapped: &[u8],
) -> Result<Zeroizing<[u8; 32]>, Refused> {
    let [kind, id, shard, version] = headers(name, version);
    unwrap(by, &[&kind, &id, &shard, &version], wrapped)
}

fn headers(name: KeyName, version: u16) -> [Vec<u8>; 4] {
    [vec![name.kind().code()], name.id(), vec![name.shard()], version.to_be_bytes().to_vec()]
}

/// What a shard key is bound to under the root key.
pub(super) fn shard_context(shard: u8, version: u32) -> Vec<u8> {
    let mut context = b"envoi keyring shard".to_vec();
    context.push(shard);
    context.extend_from_slice(&version.to_be_bytes());
    context
}
