//! Tokens that travel by e-mail. They are derived from a secret of the keyring, the account, and the command that asked for
//! them: the log holds their hash, and the reaction that writes the e-mail derives them again from the recorded event.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{AccountId, CommandId, Digest};
use zeroize::Zeroizing;

const SECRET_BYTES: usize = 32;

/// What an e-mailed token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailTokenPurpose {
    /// Proving the e-mail address.
    ConfirmEmail,
    /// Setting a new password.
    ResetPassword,
}

impl EmailTokenPurpose {
    const fn label(self) -> &'static [u8] {
        match self {
            EmailTokenPurpose::ConfirmEmail => b"confirm e-mail",
            EmailTokenPurpose::ResetPassword => b"reset password",
        }
    }
}

/// An e-mailed token in clear. Wiped on drop; `Debug` shows its account only.
pub struct EmailToken {
    account_id: AccountId,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

impl std::fmt::Debug for EmailToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EmailToken({})", self.account_id)
    }
}

impl EmailToken {
    /// The token that `command` of `account_id` asked for; `key` is the keyring's secret for e-mailed tokens.
    pub fn derive(
        key: &[u8; 32],
        purpose: EmailTokenPurpose,
        account_id: AccountId,
        command: CommandId,
    ) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(purpose.label());
        hasher.update(account_id.as_bytes());
        hasher.update(command.as_bytes());
        Self { account_id, secret: Zeroizing::new(*hasher.finalize().as_bytes()) }
    }

    /// Reads what somebody presents; `None` for anything that is no such token.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(text.trim()).ok()?);
        let (account_id, secret) = bytes.split_first_chunk::<16>()?;
        let secret: [u8; SECRET_BYTES] = secret.try_into().ok()?;
        Some(Self { account_id: AccountId::from_bytes(*account_id), secret: Zeroizing::new(secret) })
    }

    /// The account that it is for.
    pub fn account_id(&self) -> AccountId {
        self.account_id
    }

    /// What is recorded of it.
    pub fn hash(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("envoi 2026-11-21 e-mail token hash v1");
        hasher.update(self.account_id.as_bytes());
        hasher.update(self.secret.as_slice());
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }

    /// The text that goes into the e-mail.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0u8; 16 + SECRET_BYTES]);
        let (id, secret) = bytes.split_at_mut(16);
        id.copy_from_slice(self.account_id.as_bytes());
        secret.copy_from_slice(self.secret.as_slice());
        Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(bytes.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(purpose: EmailTokenPurpose) -> EmailToken {
        EmailToken::derive(&[7; 32], purpose, AccountId::from_bytes([1; 16]), CommandId::from_bytes([2; 16]))
    }

    #[test]
    fn a_token_is_derived_again_and_reads_back() {
        let first = token(EmailTokenPurpose::ConfirmEmail);
        assert_eq!(first.hash(), token(EmailTokenPurpose::ConfirmEmail).hash());
        assert_eq!(EmailToken::parse(&first.expose()).unwrap().hash(), first.hash());
    }

    #[test]
    fn a_token_for_one_purpose_is_none_for_another() {
        assert_ne!(
            token(EmailTokenPurpose::ConfirmEmail).hash(),
            token(EmailTokenPurpose::ResetPassword).hash()
        );
    }
}
