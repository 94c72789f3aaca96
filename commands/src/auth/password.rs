//! Passwords: Argon2id hashes (RFC 9106), made and verified off the event loop, a few at a time in memory that is used again.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use domain::account::AccountPassword;
use zeroize::Zeroizing;

use super::turns::{Payer, Turns};

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
/// Bytes of a hash (RFC 9106 section 4 recommends no fewer than 16).
const HASH_BYTES: usize = 32;
/// Most hashes under way at once, whatever the machine: each keeps 19 MiB for good and takes a core for some 15 ms.
const HASHES_AT_ONCE_MAX: usize = 4;
/// Most that wait for a turn: more than one core does within [`TURN_WAIT_MAX`].
const HASHES_WAITING_MAX: usize = 256;
/// How long a caller waits for its turn before it is told that the server is overloaded.
const TURN_WAIT_MAX: Duration = Duration::from_secs(2);

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
    turns: Arc<Turns>,
    nobody: AccountPassword,
    #[cfg(test)]
    made: std::sync::atomic::AtomicUsize,
}

impl Passwords {
    /// Takes the memory, for half of the machine's cores: the other half stays for requests that hash nothing. Prepares the
    /// hash that stands in for unknown accounts, so that they cost the same work; `salt` is random.
    ///
    /// # Errors
    /// [`PasswordError::Hash`] when Argon2 refuses the parameters.
    pub fn new(salt: [u8; SALT_BYTES]) -> Result<Self, PasswordError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let at_once = (cores / 2).clamp(1, HASHES_AT_ONCE_MAX);
        let params = params()?;
        let nobody = hash(b"nobody has this password", &salt, &mut blocks(&params))?;
        let turns = Turns::new(at_once, params.block_count(), HASHES_WAITING_MAX);
        Ok(Self {
            turns,
            nobody,
            #[cfg(test)]
            made: std::sync::atomic::AtomicUsize::default(),
        })
    }

    /// Hashes a password with a random `salt`.
    ///
    /// # Errors
    /// [`PasswordError::Overloaded`] when too many wait; nothing was computed.
    pub(crate) async fn hash(
        &self,
        password: Password,
        salt: [u8; SALT_BYTES],
        payer: Payer,
    ) -> Result<AccountPassword, PasswordError> {
        self.run(payer, move |memory| hash(password.0.as_bytes(), &salt, memory)).await
    }

    /// Verifies a password against the stored one; `None` (no such account) takes as long and is [`Verdict::Wrong`].
    ///
    /// # Errors
    /// [`PasswordError::Overloaded`] when too many wait; nothing was computed.
    pub(crate) async fn verify(
        &self,
        stored: Option<AccountPassword>,
        password: Password,
        payer: Payer,
    ) -> Result<Verdict, PasswordError> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let verdict = self.run(payer, move |memory| verify(&stored, password.0.as_bytes(), memory)).await?;
        Ok(if known { verdict } else { Verdict::Wrong })
    }

    /// For tests that take all of them.
    #[cfg(test)]
    pub(crate) fn turns(&self) -> &Arc<Turns> {
        &self.turns
    }

    /// How many hashes were computed.
    #[cfg(test)]
    pub(crate) fn made(&self) -> usize {
        self.made.load(std::sync::atomic::Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(
        &self,
        payer: Payer,
        work: impl FnOnce(&mut [Block]) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        #[cfg(test)]
        self.made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let overloaded = PasswordError::Overloaded { retry_after: TURN_WAIT_MAX };
        let mut turn = self.turns.take(payer, TURN_WAIT_MAX).await.ok_or(overloaded)?;
        tokio::task::spawn_blocking(move || work(turn.memory())).await.map_err(|_| PasswordError::Hash)?
    }
}

fn params() -> Result<Params, PasswordError> {
    Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES)).map_err(|_| PasswordError::Hash)
}

fn blocks(params: &Params) -> Vec<Block> {
    vec![Block::new(); params.block_count()]
}

fn hash(
    password: &[u8],
    salt: &[u8; SALT_BYTES],
    memory: &mut [Block],
) -> Result<AccountPassword, PasswordError> {
    let (algorithm, version, params) = (Algorithm::Argon2id, Version::V0x13, params()?);
    let mut output = Zeroizing::new([0; HASH_BYTES]);
    Argon2::new(algorithm, version, params.clone())
        .hash_password_into_with_memory(password, salt, output.as_mut_slice(), memory)
        .map_err(|_| PasswordError::Hash)?;
    let hash = PasswordHash {
        algorithm: algorithm.ident(),
        version: Some(version.into()),
        params: ParamsString::try_from(&params).map_err(|_| PasswordError::Hash)?,
        salt: Some(Salt::new(salt).map_err(|_| PasswordError::Hash)?),
        hash: Some(Output::new(output.as_slice()).map_err(|_| PasswordError::Hash)?),
    };
    Ok(AccountPassword { phc: hash.to_string() })
}

fn verify(stored: &AccountPassword, password: &[u8], memory: &mut [Block]) -> Result<Verdict, PasswordError> {
    let unreadable = || PasswordError::Stored;
    let stored = PasswordHash::new(&stored.phc).map_err(|_| unreadable())?;
    let algorithm = Algorithm::try_from(stored.algorithm.as_str()).map_err(|_| unreadable())?;
    let version = stored.version.map_or(Ok(Version::V0x10), Version::try_from).map_err(|_| unreadable())?;
    let params = Params::try_from(&stored).map_err(|_| unreadable())?;
    let (salt, expected) = stored.salt.zip(stored.hash).ok_or_else(unreadable)?;
    let is_current = algorithm == Algorithm::Argon2id
        && (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES);
    let mut output = Zeroizing::new([0; Output::MAX_LENGTH]);
    let computed = output.get_mut(..expected.len()).ok_or_else(unreadable)?;
    // One of another day may take more memory than today's: it is hashed anew once it was verified.
    let mut larger;
    let memory = if params.block_count() <= memory.len() {
        memory
    } else {
        larger = blocks(&params);
        &mut larger
    };
    Argon2::new(algorithm, version, params)
        .hash_password_into_with_memory(password, &salt, computed, memory)
        .map_err(|_| unreadable())?;
    // Compared in constant time.
    let computed = Output::new(computed).map_err(|_| unreadable())?;
    Ok(match (computed == expected, is_current) {
        (false, _) => Verdict::Wrong,
        (true, true) => Verdict::Right,
        (true, false) => Verdict::RightButOutdated,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use argon2::PasswordHasher;
    use argon2::PasswordVerifier;

    const ANY: Payer = Payer { account: [0; 32], network: None };

    fn password(text: &str) -> Password {
        Password::new(Zeroizing::new(text.to_owned())).unwrap()
    }

    #[tokio::test]
    async fn the_right_password_is_right_and_another_is_wrong() {
        let passwords = Passwords::new([1; SALT_BYTES]).unwrap();
        let stored = passwords.hash(password("correct horse battery"), [2; SALT_BYTES], ANY).await.unwrap();
        assert!(stored.phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let right =
            passwords.verify(Some(stored.clone()), password("correct horse battery"), ANY).await.unwrap();
        let wrong = passwords.verify(Some(stored), password("correct horse batterz"), ANY).await.unwrap();
        assert_eq!((right, wrong), (Verdict::Right, Verdict::Wrong));
    }

    #[tokio::test]
    async fn nobody_has_no_password_not_even_the_stand_in() {
        let passwords = Passwords::new([1; SALT_BYTES]).unwrap();
        let verdict = passwords.verify(None, password("nobody has this password"), ANY).await.unwrap();
        assert_eq!(verdict, Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_is_outdated() {
        let passwords = Passwords::new([1; SALT_BYTES]).unwrap();
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8192, 1, 1, None).unwrap());
        let hash: PasswordHash = weak.hash_password_with_salt(b"correct horse battery", &[3; 16]).unwrap();
        let stored = AccountPassword { phc: hash.to_string() };
        let verdict = passwords.verify(Some(stored), password("correct horse battery"), ANY).await.unwrap();
        assert_eq!(verdict, Verdict::RightButOutdated);
    }

    #[tokio::test]
    async fn composed_and_decomposed_letters_are_the_same_password() {
        let passwords = Passwords::new([1; SALT_BYTES]).unwrap();
        let stored =
            passwords.hash(password("caf\u{e9} caf\u{e9} caf\u{e9}"), [2; SALT_BYTES], ANY).await.unwrap();
        let verdict = passwords
            .verify(Some(stored), password("cafe\u{301} cafe\u{301} cafe\u{301}"), ANY)
            .await
            .unwrap();
        assert_eq!(verdict, Verdict::Right);
    }

    #[tokio::test]
    async fn a_hash_is_what_argon2_itself_makes_and_takes() {
        let passwords = Passwords::new([1; SALT_BYTES]).unwrap();
        let stored = passwords.hash(password("correct horse battery"), [2; SALT_BYTES], ANY).await.unwrap();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params().unwrap());
        let theirs: PasswordHash =
            argon2.hash_password_with_salt(b"correct horse battery", &[2; 16]).unwrap();
        assert_eq!(stored.phc, theirs.to_string());
        argon2.verify_password(b"correct horse battery", &theirs).unwrap();
    }

    #[tokio::test]
    async fn a_stored_hash_that_takes_more_memory_is_verified() {
        let passwords = Passwords::new([1; SALT_BYTES]).unwrap();
        let strong = Params::new(MEMORY_KIB * 2, 1, 1, None).unwrap();
        let strong = Argon2::new(Algorithm::Argon2id, Version::V0x13, strong);
        let hash: PasswordHash = strong.hash_password_with_salt(b"correct horse battery", &[3; 16]).unwrap();
        let stored = AccountPassword { phc: hash.to_string() };
        let verdict = passwords.verify(Some(stored.clone()), password("correct horse battery"), ANY).await;
        assert_eq!(verdict.unwrap(), Verdict::RightButOutdated);
        let verdict = passwords.verify(Some(stored), password("correct horse batterz"), ANY).await;
        assert_eq!(verdict.unwrap(), Verdict::Wrong);
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        for text in ["short".to_owned(), "x".repeat(PASSWORD_CHARS_MAX + 1)] {
            assert!(matches!(Password::new(Zeroizing::new(text)), Err(PasswordError::Policy(_))));
        }
    }
}
