//! The vault: an account's identity and recovery private keys under its owner's passphrase.
//!
//! It is a passphrase box ([`super::passphrase`]) for the purpose `envoi vault v1` followed by the account id (16 bytes). Inside:
//! identity seed (32 bytes, RFC 8032), recovery recipient id (16 bytes), recovery X25519 private key (32 bytes). The server
//! keeps it, sealed once more, and hands it to the account's sessions, so that a new device needs only the passphrase.

use domain::{AccountId, RecipientId};
use zeroize::Zeroizing;

use super::keys::{HpkeSecret, IdentityKey, RecoveryKey};
use super::passphrase::{PassphraseError, PassphraseKey};
use super::random::CryptoRng;

const PURPOSE: &[u8] = b"envoi vault v1";
const PLAIN_BYTES: usize = 32 + 16 + 32;

/// The two private keys of an account.
#[derive(Debug)]
pub struct Vault {
    /// Certifies devices.
    pub identity: IdentityKey,
    /// Opens wraps when every device is lost.
    pub recovery: RecoveryKey,
}

impl Vault {
    /// Makes the keys of a new account.
    pub fn generate(recovery_id: RecipientId, random: &mut impl CryptoRng) -> Self {
        Self { identity: IdentityKey::generate(random), recovery: RecoveryKey::generate(recovery_id, random) }
    }

    /// Encrypts it for `account`.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn seal(
        &self,
        account: AccountId,
        key: &PassphraseKey,
        random: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, PassphraseError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(PLAIN_BYTES));
        plain.extend_from_slice(self.identity.seed());
        plain.extend_from_slice(self.recovery.recipient_id().as_bytes());
        plain.extend_from_slice(self.recovery.secret().as_bytes());
        key.seal(&purpose(account), &plain, random)
    }

    /// Decrypts the vault of `account`.
    ///
    /// # Errors
    /// Each [`PassphraseError`].
    pub fn open(account: AccountId, passphrase: &str, sealed: &[u8]) -> Result<Self, PassphraseError> {
        let (_, plain) = PassphraseKey::open(passphrase, &purpose(account), sealed)?;
        let (seed, rest) = plain.split_first_chunk::<32>().ok_or(PassphraseError::Format)?;
        let (recipient, rest) = rest.split_first_chunk::<16>().ok_or(PassphraseError::Format)?;
        let secret: [u8; 32] = rest.try_into().map_err(|_| PassphraseError::Format)?;
        let recovery =
            RecoveryKey::from_parts(RecipientId::from_bytes(*recipient), HpkeSecret::from_bytes(secret));
        Ok(Self { identity: IdentityKey::from_seed(seed), recovery })
    }
}

fn purpose(account: AccountId) -> Vec<u8> {
    [PURPOSE, account.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e2ee::testing::{CHEAP, seeded};

    const ANN: AccountId = AccountId::from_bytes([1; 16]);

    #[test]
    fn a_vault_opens_for_its_account_only() {
        let mut random = seeded(3);
        let vault = Vault::generate(RecipientId::from_bytes([9; 16]), &mut random);
        let key = PassphraseKey::new("violet harbour tractor sesame", CHEAP, &mut random).unwrap();
        let sealed = vault.seal(ANN, &key, &mut random).unwrap();
        assert!(sealed.len() <= domain::limits::IDENTITY_VAULT_BYTES_MAX);

        let opened = Vault::open(ANN, "violet harbour tractor sesame", &sealed).unwrap();
        assert_eq!(opened.identity.public(), vault.identity.public());
        assert_eq!(opened.recovery.recipient_id(), vault.recovery.recipient_id());
        assert_eq!(opened.recovery.secret().public(), vault.recovery.secret().public());

        let other =
            Vault::open(AccountId::from_bytes([2; 16]), "violet harbour tractor sesame", &sealed).map(|_| ());
        assert_eq!(other, Err(PassphraseError::Damaged));
        let wrong = Vault::open(ANN, "violet harbour tractor barley", &sealed).map(|_| ());
        assert_eq!(wrong, Err(PassphraseError::WrongPassphrase));
    }
}
