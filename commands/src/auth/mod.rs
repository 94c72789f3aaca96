//! Proving who somebody is: passwords, tokens, and what ends them.

pub mod access_token;
pub mod attempts;
pub mod email_token;
mod error;
pub mod password;
pub mod refresh_token;
pub mod revocations;
pub mod signing_keys;
pub(crate) mod turns;

use std::sync::Arc;
use std::time::Duration;

use domain::{AccountId, CommandId, SessionId};
use eventstore_schema::Keyring;
use eventstore_schema::keyring::{KeyError, Secret};
use zeroize::Zeroizing;

use self::access_token::{AccessTokens, TokenError};
use self::email_token::{EmailToken, EmailTokenPurpose};
use self::password::{PasswordError, Passwords};
use self::refresh_token::RefreshToken;
use self::revocations::Revocations;
use crate::clock::Clock;
use crate::mail::Mailer;

pub use error::AuthError;

/// How long every answer takes at least that must not tell whether an address is known: longer than any of its paths takes
/// on a server that is not overloaded.
const EVEN_ANSWER: Duration = Duration::from_millis(100);

/// Why authentication cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenAuthError {
    /// The keyring does not give a secret.
    #[error("the keyring does not give the secrets of authentication")]
    Key(#[from] KeyError),
    /// The signing key cannot be used.
    #[error("access tokens cannot be signed")]
    Token(#[from] TokenError),
    /// Argon2 cannot be used.
    #[error("passwords cannot be hashed")]
    Password(#[from] PasswordError),
}

/// Everything that proving identities takes, made once a process.
pub struct Auth {
    /// Issues and verifies access tokens.
    pub tokens: Arc<AccessTokens>,
    /// What was revoked of late.
    pub revocations: Revocations,
    pub(crate) passwords: Passwords,
    pub(crate) mailer: Arc<Mailer>,
    pub(crate) public_url: String,
    email_tokens: Zeroizing<[u8; 32]>,
    refresh_tokens: Zeroizing<[u8; 32]>,
    refresh_macs: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Auth(..)")
    }
}

impl Auth {
    /// Fetches the secrets from the keyring. `public_url` is the issuer of access tokens and stands in e-mails.
    ///
    /// # Errors
    /// See [`OpenAuthError`].
    pub async fn open(
        keyring: &Keyring,
        clock: &Clock,
        public_url: &str,
        mailer: Arc<Mailer>,
    ) -> Result<Self, OpenAuthError> {
        let refresh_tokens = keyring.named_secret(Secret::RefreshTokens).await?;
        let refresh_macs =
            blake3::derive_key("envoi 2026-11-29 refresh token mac v1", refresh_tokens.as_slice());
        let signing = keyring.secret_versions(Secret::AccessTokenSigning).await?;
        Ok(Self {
            tokens: Arc::new(AccessTokens::new(public_url, &signing)?),
            revocations: Revocations::default(),
            passwords: Passwords::new(clock.random())?,
            mailer,
            public_url: public_url.to_owned(),
            email_tokens: keyring.named_secret(Secret::EmailTokens).await?,
            refresh_tokens,
            refresh_macs: Zeroizing::new(refresh_macs),
        })
    }

    /// The token that `command` of `account_id` asked to be sent by e-mail.
    pub(crate) fn email_token(
        &self,
        purpose: EmailTokenPurpose,
        account_id: AccountId,
        command: CommandId,
    ) -> EmailToken {
        EmailToken::derive(&self.email_tokens, purpose, account_id, command)
    }

    /// The first refresh token of a session; the same for a retried login, which makes the same session.
    pub(crate) fn first_refresh_token(&self, session_id: SessionId) -> RefreshToken {
        let mut hasher = blake3::Hasher::new_keyed(&self.refresh_tokens);
        hasher.update(b"refresh first");
        hasher.update(session_id.as_bytes());
        RefreshToken::first(session_id, *hasher.finalize().as_bytes())
    }

    /// Reads a refresh token that a client presents; `None` for any that this platform did not make.
    pub(crate) fn read_refresh_token(&self, text: &str) -> Option<RefreshToken> {
        RefreshToken::parse(text, &self.refresh_macs)
    }

    /// The text of a refresh token that the client gets, once.
    pub(crate) fn expose(&self, token: &RefreshToken) -> Zeroizing<String> {
        token.expose(&self.refresh_macs)
    }

    /// The refresh token that replaces `token`.
    pub(crate) fn successor(&self, token: &RefreshToken) -> RefreshToken {
        token.successor(&self.refresh_tokens)
    }
}

/// Answers no sooner than after [`EVEN_ANSWER`], whatever was found on the way.
pub(crate) async fn evenly<T>(work: impl Future<Output = T>) -> T {
    let (answer, ()) = tokio::join!(work, tokio::time::sleep(EVEN_ANSWER));
    answer
}
