//! The bytes of a sealed part, format 1: pure functions of keys, header, nonce and plaintext.
//!
//! Described to the byte in `ops/docs/sealed-format.md`; test vectors in `eventstore-schema/vectors/sealed.json`.

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::keyring::SivKey;
use crate::sealed::SealHeader;

/// The format written today.
pub(super) const FORMAT: u8 = 1;
/// Bytes before the ciphertext: format (1), record version (2), key versions (6), commitment (32), nonce (16), tag (16).
pub(super) const OVERHEAD: usize = 73;

const KEY_CONTEXT: &str = "envoi 2026-11-21 seal v1";
const COMMITMENT_CONTEXT: &str = "envoi 2026-11-21 seal commitment v1";
const NO_PERIOD: u8 = 0;
const PERIOD: u8 = 1;

/// Which version of each key took part; `period` is 0 without a period key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyVersionNumbers {
    pub(super) tenant: u16,
    pub(super) subject: u16,
    pub(super) period: u16,
}

impl KeyVersionNumbers {
    fn to_bytes(self) -> [u8; 6] {
        let ([a, b], [c, d], [e, f]) =
            (self.tenant.to_be_bytes(), self.subject.to_be_bytes(), self.period.to_be_bytes());
        [a, b, c, d, e, f]
    }

    fn from_bytes([a, b, c, d, e, f]: [u8; 6]) -> Self {
        Self {
            tenant: u16::from_be_bytes([a, b]),
            subject: u16::from_be_bytes([c, d]),
            period: u16::from_be_bytes([e, f]),
        }
    }
}

/// The key of sealed parts and what commits to it. Wiped when dropped.
pub(super) struct ComposedKey {
    key: SivKey,
    commitment: [u8; 32],
}

impl ComposedKey {
    /// Composes the keys of tenant, subject and, where there is one, period.
    pub(super) fn new(tenant: &[u8; 32], subject: &[u8; 32], period: Option<&[u8; 32]>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(KEY_CONTEXT);
        hasher.update(tenant);
        hasher.update(subject);
        match period {
            Some(period) => hasher.update(&[PERIOD]).update(period),
            None => hasher.update(&[NO_PERIOD]),
        };
        let mut key: SivKey = Zeroizing::new([0; 64]);
        let mut output = hasher.finalize_xof();
        output.fill(key.as_mut_slice());
        output.zeroize();
        hasher.zeroize();
        let commitment = blake3::derive_key(COMMITMENT_CONTEXT, key.as_slice());
        Self { key, commitment }
    }
}

/// The parts of sealed bytes, not opened.
pub(super) struct Parts<'a> {
    pub(super) record_version: u16,
    pub(super) keys: KeyVersionNumbers,
    commitment: &'a [u8; 32],
    nonce: &'a [u8; 16],
    tag: &'a [u8; 16],
    ciphertext: &'a [u8],
}

/// The bytes are of no format known here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnknownFormat;

/// The bytes or their header were changed, or the key is another one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused;

impl<'a> Parts<'a> {
    /// Takes sealed bytes apart.
    pub(super) fn parse(sealed: &'a [u8]) -> Result<Self, UnknownFormat> {
        let (&FORMAT, rest) = sealed.split_first().ok_or(UnknownFormat)? else { return Err(UnknownFormat) };
        let (record_version, rest) = rest.split_first_chunk::<2>().ok_or(UnknownFormat)?;
        let (keys, rest) = rest.split_first_chunk::<6>().ok_or(UnknownFormat)?;
        let (commitment, rest) = rest.split_first_chunk::<32>().ok_or(UnknownFormat)?;
        let (nonce, rest) = rest.split_first_chunk::<16>().ok_or(UnknownFormat)?;
        let (tag, ciphertext) = rest.split_first_chunk::<16>().ok_or(UnknownFormat)?;
        let record_version = u16::from_be_bytes(*record_version);
        let keys = KeyVersionNumbers::from_bytes(*keys);
        Ok(Self { record_version, keys, commitment, nonce, tag, ciphertext })
    }

    /// Opens the parts under `key` in the place that `header` names.
    pub(super) fn open(&self, key: &ComposedKey, header: &SealHeader) -> Result<Zeroizing<Vec<u8>>, Refused> {
        if !bool::from(key.commitment.ct_eq(self.commitment)) {
            return Err(Refused);
        }
        let mut plain = Zeroizing::new(self.ciphertext.to_vec());
        let data = AssociatedData::new(header, self.record_version, self.keys, self.commitment, self.nonce);
        Aes256Siv::new((&*key.key).into())
            .decrypt_inout_detached(data.headers(), plain.as_mut_slice().into(), self.tag.into())
            .map_err(|_| Refused)?;
        Ok(plain)
    }
}

/// Seals `plaintext` in the place that `header` names. `None` only beyond the limits of AES-SIV.
pub(super) fn seal(
    key: &ComposedKey,
    keys: KeyVersionNumbers,
    header: &SealHeader,
    record_version: u16,
    nonce: &[u8; 16],
    plaintext: Zeroizing<Vec<u8>>,
) -> Option<Vec<u8>> {
    let mut body = plaintext;
    let data = AssociatedData::new(header, record_version, keys, &key.commitment, nonce);
    let tag = Aes256Siv::new((&*key.key).into())
        .encrypt_inout_detached(data.headers(), body.as_mut_slice().into())
        .ok()?;
    let mut sealed = Vec::with_capacity(body.len().saturating_add(OVERHEAD));
    sealed.push(FORMAT);
    sealed.extend_from_slice(&record_version.to_be_bytes());
    sealed.extend_from_slice(&keys.to_bytes());
    sealed.extend_from_slice(&key.commitment);
    sealed.extend_from_slice(nonce);
    sealed.extend_from_slice(&tag);
    sealed.extend_from_slice(&body);
    Some(sealed)
}

/// What a sealed part is bound to, in the order that AES-SIV takes it. Everything of fixed size is one header: each costs.
struct AssociatedData<'a> {
    /// Format (1), record version (2), key versions (6), commitment (32), event version (2), event id (16), stream id (16).
    fixed: Vec<u8>,
    event_type: &'a [u8],
    category: &'a [u8],
    key_ref: Vec<u8>,
    nonce: &'a [u8; 16],
}

impl<'a> AssociatedData<'a> {
    fn new(
        header: &'a SealHeader,
        record_version: u16,
        keys: KeyVersionNumbers,
        commitment: &[u8; 32],
        nonce: &'a [u8; 16],
    ) -> Self {
        let mut fixed = Vec::with_capacity(75);
        fixed.push(FORMAT);
        fixed.extend_from_slice(&record_version.to_be_bytes());
        fixed.extend_from_slice(&keys.to_bytes());
        fixed.extend_from_slice(commitment);
        fixed.extend_from_slice(&header.version.to_be_bytes());
        fixed.extend_from_slice(header.event_id.as_bytes());
        fixed.extend_from_slice(header.stream.id.as_bytes());
        Self {
            fixed,
            event_type: header.event_type.as_bytes(),
            category: header.stream.category.name().as_bytes(),
            key_ref: header.key_ref.to_bytes(),
            nonce,
        }
    }

    fn headers(&self) -> [&[u8]; 5] {
        [&self.fixed, self.event_type, self.category, &self.key_ref, self.nonce]
    }
}

#[cfg(test)]
mod tests;
