//! Passwords: Argon2id hashes (RFC 9106), made and verified off the event loop, a bounded number at a time.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::account::AccountPassword;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Memory of one hash in KiB: 19 MiB, with two passes the OWASP recommendation for Argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// Bytes of salt (RFC 9106 section 3.1 recommends 16).
pub const SALT_BYTES: usize = 16;
/// Shortest password in characters (NIST SP 800-63B asks for at least 8; 12 stands up to offline guessing).
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Longest password in characters: bounds the work of one request.
pub const PASSWORD_CHARS_MAX: usize = 128;
/// Hashes under way at once: each takes 19 MiB and a core for some 15 ms.
pub const HASHES_MAX: usize = 4;
/// How long a caller waits for its turn before it is told that the server is overloaded.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a password was neither hashed nor verified.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It breaks the policy.
    #[error("the password {0}")]
    Policy(&'static str),
    /// Too many others wait.
    #[error("too many passwords are being verified")]
    Overloaded {
        /// After which to try again.
        retry_after: Duration,
    },
    /// The stored hash cannot be read.
    #[error("the stored password hash cannot be read")]
    Stored,
    /// The hash could not be computed.
    #[error("the password could not be hashed")]
    Hash,
}

/// What verifying found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is the right one.
    Right,
    /// It is right, but hashed with other parameters than today's: hash it anew.
    RightButOutdated,
    /// It is not the right one, or there is none.
    Wrong,
}

/// A password in clear, in Unicode NFC, within the policy's bounds. Wiped on drop; `Debug` shows nothing.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

impl Password {
    /// Takes a new password.
    ///
    /// # Errors
    /// [`PasswordError::Policy`] when it is too short or too long.
    pub fn new(text: Zeroizing<String>) -> Result<Self, PasswordError> {
        let password = Self::presented(text)?;
        if password.0.chars().count() < PASSWORD_CHARS_MIN {
            return Err(PasswordError::Policy("must have at least 12 characters"));
        }
        Ok(password)
    }

    /// Takes a password that somebody presents, whatever the policy was when it was set.
    ///
    /// # Errors
    /// [`PasswordError::Policy`] when it is longer than any password can be.
    pub fn presented(text: Zeroizing<String>) -> Result<Self, PasswordError> {
        if text.chars().count() > PASSWORD_CHARS_MAX {
            return Err(PasswordError::Policy("must have at most 128 characters"));
        }
        Ok(Self(Zeroizing::new(domain_nfc(&text))))
    }
}

fn domain_nfc(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    text.nfc().collect()
}

/// Hashes and verifies passwords.
pub struct Passwords {
    turns: Arc<Semaphore>,
    nobody: AccountPassword,
}

impl Passwords {
    /// Prepares the hash that stands in for unknown accounts, so that they cost the same work; `salt` is random.
    ///
    /// # Errors
    /// [`PasswordError::Hash`] when Argon2 refuses the parameters.
    pub fn new(salt: [u8; SALT_BYTES]) -> Result<Self, PasswordError> {
        let nobody = hash(b"nobody has this password", &salt)?;
        Ok(Self { turns: Arc::new(Semaphore::new(HASHES_MAX)), nobody })
    }

    /// Hashes a password with a random `salt`.
    ///
    /// # Errors
    /// [`PasswordError::Overloaded`] when too many wait; nothing was computed.
    pub async fn hash(
        &self,
        password: Password,
        salt: [u8; SALT_BYTES],
    ) -> Result<AccountPassword, PasswordError> {
        self.run(move || hash(password.0.as_bytes(), &salt)).await
    }

    /// Verifies a password against the stored one; `None` (no such account) takes as long and is [`Verdict::Wrong`].
    ///
    /// # Errors
    /// [`PasswordError::Overloaded`] when too many wait; nothing was computed.
    pub async fn verify(
        &self,
        stored: Option<AccountPassword>,
        password: Password,
    ) -> Result<Verdict, PasswordError> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let verdict = self.run(move || verify(&stored, password.0.as_bytes())).await?;
        Ok(if known { verdict } else { Verdict::Wrong })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let overloaded = || PasswordError::Overloaded { retry_after: TURN_TIMEOUT };
        let turn = tokio::time::timeout(TURN_TIMEOUT, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_| overloaded())?
            .map_err(|_| overloaded())?;
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        })
        .await
        .map_err(|_| PasswordError::Hash)?
    }
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| PasswordError::Hash)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &[u8], salt: &[u8]) -> Result<AccountPassword, PasswordError> {
    let hash: PasswordHash =
        argon2()?.hash_password_with_salt(password, salt).map_err(|_| PasswordError::Hash)?;
    Ok(AccountPassword { phc: hash.to_string() })
}

fn verify(stored: &AccountPassword, password: &[u8]) -> Result<Verdict, PasswordError> {
    let stored = PasswordHash::new(&stored.phc).map_err(|_| PasswordError::Stored)?;
    let argon2 = argon2()?;
    match argon2.verify_password(password, &stored) {
        Ok(()) => {
            let today = [("m", MEMORY_KIB), ("t", PASSES), ("p", LANES)];
            let current = stored.algorithm.as_str() == "argon2id"
                && today.iter().all(|(name, value)| stored.params.get_decimal(*name) == Some(*value));
            Ok(if current { Verdict::Right } else { Verdict::RightButOutdated })
        }
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Verdict::Wrong),
        Err(_) => Err(PasswordError::Stored),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(Zeroizing::new(text.to_owned())).unwrap()
    }

    #[tokio::test]
    async fn the_right_password_is_right_and_another_is_wrong() {
        let passwords = Passwords::new([1; SALT_BYTES]).unwrap();
        let stored = passwords.hash(password("correct horse battery"), [2; SALT_BYTES]).await.unwrap();
        assert!(stored.phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let right = passwords.verify(Some(stored.clone()), password("correct horse battery")).await.unwrap();
        let wrong = passwords.verify(Some(stored), password("correct horse batterz")).await.unwrap();
        assert_eq!((right, wrong), (Verdict::Right, Verdict::Wrong));
    }

    #[tokio::test]
    async fn nobody_has_no_password_not_even_the_stand_in() {
        let passwords = Passwords::new([1; SALT_BYTES]).unwrap();
        let verdict = passwords.verify(None, password("nobody has this password")).await.unwrap();
        assert_eq!(verdict, Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_is_outdated() {
        let passwords = Passwords::new([1; SALT_BYTES]).unwrap();
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8192, 1, 1, None).unwrap());
        let hash: PasswordHash = weak.hash_password_with_salt(b"correct horse battery", &[3; 16]).unwrap();
        let stored = AccountPassword { phc: hash.to_string() };
        let verdict = passwords.verify(Some(stored), password("correct horse battery")).await.unwrap();
        assert_eq!(verdict, Verdict::RightButOutdated);
    }

    #[tokio::test]
    async fn composed_and_decomposed_letters_are_the_same_password() {
        let passwords = Passwords::new([1; SALT_BYTES]).unwrap();
        let stored =
            passwords.hash(password("caf\u{e9} caf\u{e9} caf\u{e9}"), [2; SALT_BYTES]).await.unwrap();
        let verdict =
            passwords.verify(Some(stored), password("cafe\u{301} cafe\u{301} cafe\u{301}")).await.unwrap();
        assert_eq!(verdict, Verdict::Right);
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        for text in ["short".to_owned(), "x".repeat(PASSWORD_CHARS_MAX + 1)] {
            assert!(matches!(Password::new(Zeroizing::new(text)), Err(PasswordError::Policy(_))));
        }
    }
}
