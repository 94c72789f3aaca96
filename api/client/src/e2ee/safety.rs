//! Safety numbers: what two people compare to know that no one stands between them.
//!
//! The fingerprint of an account is 30 digits: 30 bytes of BLAKE3 `derive_key("envoi 2026-11-21 safety number v1",
//! account id (16 bytes) || identity key (32 bytes))` in extended output, each five bytes read as a big-endian number
//! modulo 100,000 and written with five digits. The safety number of two accounts is both fingerprints, the lower account
//! id first: 60 digits in twelve groups. Finding another key with the same fingerprint takes about 2^99 tries.

use std::fmt;

use domain::{AccountId, VerifyKey};

const CONTEXT: &str = "envoi 2026-11-21 safety number v1";
const GROUPS: usize = 6;
const GROUP_BYTES: usize = 5;

/// The fingerprint of an account's identity key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u32; GROUPS]);

impl Fingerprint {
    /// Computes it.
    pub fn of(account: AccountId, identity: &VerifyKey) -> Self {
        let mut bytes = [0; GROUPS * GROUP_BYTES];
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(account.as_bytes()).update(identity.as_bytes()).finalize_xof().fill(&mut bytes);
        let mut groups = [0; GROUPS];
        for (group, chunk) in groups.iter_mut().zip(bytes.chunks_exact(GROUP_BYTES)) {
            let number = chunk.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
            *group = u32::try_from(number % 100_000).unwrap_or_default();
        }
        Self(groups)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{group:05}")?;
        }
        Ok(())
    }
}

/// What both people see, whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafetyNumber {
    lower: Fingerprint,
    higher: Fingerprint,
}

impl SafetyNumber {
    /// Computes it for two accounts and their identity keys, in either order.
    pub fn between(one: (AccountId, &VerifyKey), other: (AccountId, &VerifyKey)) -> Self {
        let (lower, higher) = if one.0 <= other.0 { (one, other) } else { (other, one) };
        Self { lower: Fingerprint::of(lower.0, lower.1), higher: Fingerprint::of(higher.0, higher.1) }
    }
}

impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.lower, self.higher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: (AccountId, VerifyKey) = (AccountId::from_bytes([1; 16]), VerifyKey::from_bytes([2; 32]));
    const BOB: (AccountId, VerifyKey) = (AccountId::from_bytes([3; 16]), VerifyKey::from_bytes([4; 32]));

    #[test]
    fn both_see_the_same_number_and_it_never_changes() {
        let number = SafetyNumber::between((ANN.0, &ANN.1), (BOB.0, &BOB.1));
        assert_eq!(number, SafetyNumber::between((BOB.0, &BOB.1), (ANN.0, &ANN.1)));
        let expected = "45236 23690 63620 84443 49801 59234 04254 32817 71935 53947 42831 47536";
        assert_eq!(number.to_string(), expected);
    }

    #[test]
    fn another_key_or_account_shows() {
        let number = SafetyNumber::between((ANN.0, &ANN.1), (BOB.0, &BOB.1));
        assert_ne!(number, SafetyNumber::between((ANN.0, &BOB.1), (BOB.0, &BOB.1)));
        assert_ne!(Fingerprint::of(ANN.0, &ANN.1), Fingerprint::of(BOB.0, &ANN.1));
    }
}
