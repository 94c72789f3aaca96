//! Bytes encrypted under a passphrase, carrying their own parameters.
//!
//! A box is, integers big-endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | version of this format: 1 |
//! | 4, 4, 4 | Argon2id (RFC 9106, version 0x13): memory in KiB, passes, lanes |
//! | 16 | salt |
//! | 32 | key commitment |
//! | 16 | nonce |
//! | 16 + n | AES-256-SIV ciphertext of the n bytes |
//!
//! The passphrase is taken as UTF-8 in Unicode NFC. Argon2id gives 32 bytes `root`. The AES-SIV key is 64 bytes of BLAKE3
//! `derive_key("envoi 2026-11-21 passphrase box cipher v1", root)`, the commitment 32 bytes of
//! `derive_key("envoi 2026-11-21 passphrase box commitment v1", root)`. Headers of the ciphertext, in this order: the purpose,
//! everything of the box before the nonce, the nonce. A wrong passphrase shows at the commitment; without it a box could
//! be made that opens under several passphrases (SIV does not commit to its key).

use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::random::{CryptoRng, draw};
use super::siv;

const VERSION: u8 = 1;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 16;
const COMMITMENT_BYTES: usize = 32;
/// Most memory that opening a box may ask for, in KiB (1 GiB): its header comes from others.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// Most passes that opening a box may ask for.
const PASSES_MAX: u32 = 16;
/// Most lanes that opening a box may ask for.
const LANES_MAX: u32 = 16;

const CIPHER_CONTEXT: &str = "envoi 2026-11-21 passphrase box cipher v1";
const COMMITMENT_CONTEXT: &str = "envoi 2026-11-21 passphrase box commitment v1";

/// Why a passphrase box could not be made or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Not a box of a version known here.
    #[error("the encrypted keys are of an unknown format")]
    Format,
    /// Its derivation parameters are beyond what is reasonable.
    #[error("the encrypted keys ask for unreasonable key derivation parameters")]
    Parameters,
    /// The passphrase is another.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// A passphrase for new keys that could be guessed.
    #[error(
        "the passphrase is too easy to guess: take four or more words that have nothing to do with each other"
    )]
    Weak,
    /// The passphrase is right, but what was encrypted has been changed or is about something else.
    #[error("the encrypted keys were damaged or belong to something else")]
    Damaged,
}

/// Whether a passphrase could be guessed by somebody who has what it encrypts and tries at leisure, as the server and whoever
/// steals its database or a key file can: when it holds for fewer than 10^10 tries (zxcvbn's highest mark) of one that knows
/// what people choose.
pub fn is_weak(passphrase: &str) -> bool {
    let normal = Zeroizing::new(passphrase.nfc().collect::<String>());
    zxcvbn::zxcvbn(&normal, &["envoi"]).score() < zxcvbn::Score::Four
}

/// What Argon2id costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// For people's passphrases: RFC 9106's second recommendation, about a tenth of a second.
    pub const INTERACTIVE: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

    fn check(self) -> Result<Self, PassphraseError> {
        let reasonable =
            self.memory_kib <= MEMORY_KIB_MAX && self.passes <= PASSES_MAX && self.lanes <= LANES_MAX;
        if reasonable { Ok(self) } else { Err(PassphraseError::Parameters) }
    }
}

/// A key made from a passphrase, kept so that rewriting a box does not cost another derivation.
pub struct PassphraseKey {
    cost: Cost,
    salt: [u8; SALT_BYTES],
    root: Zeroizing<[u8; 32]>,
}

impl PassphraseKey {
    /// Derives a key under a new salt, for new boxes. Takes `cost`'s time and memory.
    ///
    /// # Errors
    /// [`PassphraseError::Weak`], [`PassphraseError::Parameters`].
    pub fn new(passphrase: &str, cost: Cost, random: &mut impl CryptoRng) -> Result<Self, PassphraseError> {
        if is_weak(passphrase) {
            return Err(PassphraseError::Weak);
        }
        Self::derive(passphrase, cost, draw(random))
    }

    fn derive(passphrase: &str, cost: Cost, salt: [u8; SALT_BYTES]) -> Result<Self, PassphraseError> {
        let cost = cost.check()?;
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32))
            .map_err(|_| PassphraseError::Parameters)?;
        let normal = Zeroizing::new(passphrase.nfc().collect::<String>());
        let mut root = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(normal.as_bytes(), &salt, root.as_mut())
            .map_err(|_| PassphraseError::Parameters)?;
        Ok(Self { cost, salt, root })
    }

    fn cipher_key(&self) -> Zeroizing<[u8; siv::KEY_BYTES]> {
        let mut key = Zeroizing::new([0; siv::KEY_BYTES]);
        let mut hasher = blake3::Hasher::new_derive_key(CIPHER_CONTEXT);
        hasher.update(self.root.as_ref()).finalize_xof().fill(key.as_mut());
        key
    }

    fn head(&self) -> Vec<u8> {
        let mut head = vec![VERSION];
        for cost in [self.cost.memory_kib, self.cost.passes, self.cost.lanes] {
            head.extend_from_slice(&cost.to_be_bytes());
        }
        head.extend_from_slice(&self.salt);
        head.extend_from_slice(&blake3::derive_key(COMMITMENT_CONTEXT, self.root.as_ref()));
        head
    }

    /// Encrypts `plain` for `purpose`: a name and whatever the box must not be taken for another of.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn seal(
        &self,
        purpose: &[u8],
        plain: &[u8],
        random: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, PassphraseError> {
        let mut sealed = self.head();
        let nonce: [u8; NONCE_BYTES] = draw(random);
        let ciphertext = siv::encrypt(&self.cipher_key(), &[purpose, &sealed, &nonce], plain)
            .map_err(|_| PassphraseError::Format)?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens a box with a passphrase. Takes the time and memory that the box names.
    ///
    /// # Errors
    /// Each [`PassphraseError`].
    pub fn open(
        passphrase: &str,
        purpose: &[u8],
        sealed: &[u8],
    ) -> Result<(Self, Zeroizing<Vec<u8>>), PassphraseError> {
        let parts = Parts::split(sealed).ok_or(PassphraseError::Format)?;
        let key = Self::derive(passphrase, parts.cost, parts.salt)?;
        let plain = key.open_parts(purpose, &parts)?;
        Ok((key, plain))
    }

    /// Opens a box that this very key sealed, without deriving it again.
    ///
    /// # Errors
    /// Each [`PassphraseError`] but `Parameters`; `WrongPassphrase` also for a box of the same passphrase with another salt.
    pub fn reopen(&self, purpose: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, PassphraseError> {
        self.open_parts(purpose, &Parts::split(sealed).ok_or(PassphraseError::Format)?)
    }

    fn open_parts(&self, purpose: &[u8], parts: &Parts<'_>) -> Result<Zeroizing<Vec<u8>>, PassphraseError> {
        let commitment = blake3::derive_key(COMMITMENT_CONTEXT, self.root.as_ref());
        if !bool::from(commitment.ct_eq(&parts.commitment)) {
            return Err(PassphraseError::WrongPassphrase);
        }
        siv::decrypt(&self.cipher_key(), &[purpose, parts.head, &parts.nonce], parts.ciphertext)
            .map(Zeroizing::new)
            .map_err(|_| PassphraseError::Damaged)
    }
}

struct Parts<'a> {
    cost: Cost,
    salt: [u8; SALT_BYTES],
    commitment: [u8; COMMITMENT_BYTES],
    nonce: [u8; NONCE_BYTES],
    head: &'a [u8],
    ciphertext: &'a [u8],
}

impl<'a> Parts<'a> {
    const HEAD_BYTES: usize = 1 + 12 + SALT_BYTES + COMMITMENT_BYTES;

    fn split(sealed: &'a [u8]) -> Option<Self> {
        let head = sealed.get(..Self::HEAD_BYTES)?;
        let (version, rest) = sealed.split_first_chunk::<1>()?;
        let (memory, rest) = rest.split_first_chunk::<4>()?;
        let (passes, rest) = rest.split_first_chunk::<4>()?;
        let (lanes, rest) = rest.split_first_chunk::<4>()?;
        let (salt, rest) = rest.split_first_chunk::<SALT_BYTES>()?;
        let (commitment, rest) = rest.split_first_chunk::<COMMITMENT_BYTES>()?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let cost = Cost {
            memory_kib: u32::from_be_bytes(*memory),
            passes: u32::from_be_bytes(*passes),
            lanes: u32::from_be_bytes(*lanes),
        };
        (*version == [VERSION]).then_some(Self {
            cost,
            salt: *salt,
            commitment: *commitment,
            nonce: *nonce,
            head,
            ciphertext,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e2ee::testing::{CHEAP, seeded};

    const PURPOSE: &[u8] = b"test";

    fn sealed() -> Vec<u8> {
        let mut random = seeded(1);
        let key = PassphraseKey::new("violet harbour tractor sesame", CHEAP, &mut random).unwrap();
        key.seal(PURPOSE, b"the keys", &mut random).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_with_the_passphrase() {
        let (_, plain) = PassphraseKey::open("violet harbour tractor sesame", PURPOSE, &sealed()).unwrap();
        assert_eq!(plain.as_slice(), b"the keys");
    }

    #[test]
    fn the_passphrase_is_the_same_composed_or_decomposed() {
        let mut random = seeded(1);
        let key = PassphraseKey::new("violet harbour tractor caf\u{e9}", CHEAP, &mut random).unwrap();
        let sealed = key.seal(PURPOSE, b"the keys", &mut random).unwrap();
        assert!(PassphraseKey::open("violet harbour tractor cafe\u{301}", PURPOSE, &sealed).is_ok());
    }

    #[test]
    fn a_passphrase_that_can_be_guessed_makes_no_key() {
        let weak = [
            "",
            "x",
            "12345678",
            "password",
            "correct horse",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "envoi envoi envoi",
        ];
        for passphrase in weak {
            let refused = PassphraseKey::new(passphrase, CHEAP, &mut seeded(1)).map(|_| ());
            assert_eq!(refused, Err(PassphraseError::Weak), "{passphrase}");
        }
        for passphrase in
            ["purple monkey dishwasher lamp", "gR7#vq9!Lw2x", "korrekter Pferdestall Batterie Heftklammer"]
        {
            assert!(!is_weak(passphrase), "{passphrase}");
        }
    }

    #[test]
    fn another_passphrase_is_told_from_damage() {
        let wrong = PassphraseKey::open("violet harbour tractor sesames", PURPOSE, &sealed()).map(|_| ());
        assert_eq!(wrong, Err(PassphraseError::WrongPassphrase));
        let purpose = PassphraseKey::open("violet harbour tractor sesame", b"other", &sealed()).map(|_| ());
        assert_eq!(purpose, Err(PassphraseError::Damaged));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let good = sealed();
        for at in 0..good.len() {
            // Raising the top bytes of a cost asks for gigabytes: refused by its own rule, tried below.
            if (1..13).contains(&at) {
                continue;
            }
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(
                PassphraseKey::open("violet harbour tractor sesame", PURPOSE, &bad).is_err(),
                "byte {at}"
            );
        }
    }

    #[test]
    fn a_box_cannot_ask_for_all_memory_or_time() {
        for at in [1, 5, 9] {
            let mut bad = sealed();
            bad[at] = 0xff;
            let answer = PassphraseKey::open("violet harbour tractor sesame", PURPOSE, &bad).map(|_| ());
            assert_eq!(answer, Err(PassphraseError::Parameters));
        }
    }

    #[test]
    fn a_truncated_box_or_another_version_is_of_an_unknown_format() {
        let good = sealed();
        for end in 0..Parts::HEAD_BYTES + NONCE_BYTES {
            let answer =
                PassphraseKey::open("violet harbour tractor sesame", PURPOSE, &good[..end]).map(|_| ());
            assert_eq!(answer, Err(PassphraseError::Format));
        }
        let mut other = good;
        other[0] = 2;
        let answer = PassphraseKey::open("violet harbour tractor sesame", PURPOSE, &other).map(|_| ());
        assert_eq!(answer, Err(PassphraseError::Format));
    }
}
