//! Refresh tokens: opaque to clients, recorded as hashes only. A successor is derived from the token it replaces, so that one
//! repeated exchange gives the same successor on any node though no token is kept.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{Digest, SessionId};
use zeroize::Zeroizing;

/// How every refresh token starts, so that leak scanners can know one.
const PREFIX: &str = "envoi_rt_";
const SECRET_BYTES: usize = 32;

/// A refresh token in clear. Wiped on drop; `Debug` shows its session only.
pub struct RefreshToken {
    session_id: SessionId,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RefreshToken({})", self.session_id)
    }
}

impl RefreshToken {
    /// The first token of a session; `secret` is random, or derived from what a retried login has in common.
    pub fn first(session_id: SessionId, secret: [u8; SECRET_BYTES]) -> Self {
        Self { session_id, secret: Zeroizing::new(secret) }
    }

    /// Reads what a client presents; `None` for anything that is no refresh token.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?);
        let (session_id, secret) = bytes.split_first_chunk::<16>()?;
        let secret: [u8; SECRET_BYTES] = secret.try_into().ok()?;
        Some(Self { session_id: SessionId::from_bytes(*session_id), secret: Zeroizing::new(secret) })
    }

    /// The session that it belongs to.
    pub fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// What is recorded of it.
    pub fn hash(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("envoi 2026-11-21 refresh token hash v1");
        hasher.update(self.session_id.as_bytes());
        hasher.update(self.secret.as_slice());
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }

    /// The token that replaces it, the same each time; `key` is the keyring's secret for this purpose.
    pub fn successor(&self, key: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(b"refresh successor");
        hasher.update(self.session_id.as_bytes());
        hasher.update(self.secret.as_slice());
        Self { session_id: self.session_id, secret: Zeroizing::new(*hasher.finalize().as_bytes()) }
    }

    /// The text that the client gets, once.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0u8; 16 + SECRET_BYTES]);
        let (id, secret) = bytes.split_at_mut(16);
        id.copy_from_slice(self.session_id.as_bytes());
        secret.copy_from_slice(self.secret.as_slice());
        Zeroizing::new(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> RefreshToken {
        RefreshToken::first(SessionId::from_bytes([1; 16]), [2; 32])
    }

    #[test]
    fn a_token_reads_back_from_its_text() {
        let again = RefreshToken::parse(&token().expose()).unwrap();
        assert_eq!((again.session_id(), again.hash()), (token().session_id(), token().hash()));
    }

    #[test]
    fn a_repeated_exchange_gives_the_same_successor() {
        let (first, again) = (token().successor(&[9; 32]), token().successor(&[9; 32]));
        assert_eq!(first.hash(), again.hash());
        assert_ne!(first.hash(), token().hash());
        assert_ne!(first.hash(), token().successor(&[8; 32]).hash());
    }

    #[test]
    fn text_that_is_no_token_is_refused() {
        let token = token().expose();
        for text in
            ["", "envoi_rt_", &token[3..], &token[..token.len() - 2], &format!("{}AA", token.as_str())]
        {
            assert!(RefreshToken::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", token()).contains(&token().expose()[20..]));
    }
}
