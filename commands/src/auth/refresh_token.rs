//! Refresh tokens: opaque to clients, recorded as hashes only. Each carries a MAC, so that one that somebody made up is told
//! from one that was given out before anything is looked up: it ends nothing and costs nothing. A successor is derived from the token it replaces, so that one
//! repeated exchange gives the same successor on any node though no token is kept.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{Digest, SessionId};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// How every refresh token starts, so that leak scanners can know one.
const PREFIX: &str = "envoi_rt_";
const SECRET_BYTES: usize = 32;
/// Bytes of the MAC: nobody guesses 128 bits against a server.
const MAC_BYTES: usize = 16;

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

    /// Reads what a client presents; `None` for anything that is no refresh token made with this key for MACs.
    pub fn parse(text: &str, mac_key: &[u8; 32]) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?);
        let (session_id, secret) = bytes.split_first_chunk::<16>()?;
        let (secret, mac) = secret.split_first_chunk::<SECRET_BYTES>()?;
        let token = Self { session_id: SessionId::from_bytes(*session_id), secret: Zeroizing::new(*secret) };
        bool::from(token.mac(mac_key).ct_eq(mac)).then_some(token)
    }

    fn mac(&self, key: &[u8; 32]) -> [u8; MAC_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(self.session_id.as_bytes());
        hasher.update(self.secret.as_slice());
        let mut mac = [0; MAC_BYTES];
        hasher.finalize_xof().fill(&mut mac);
        mac
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
    pub fn expose(&self, mac_key: &[u8; 32]) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0u8; 16 + SECRET_BYTES + MAC_BYTES]);
        let (id, rest) = bytes.split_at_mut(16);
        let (secret, mac) = rest.split_at_mut(SECRET_BYTES);
        id.copy_from_slice(self.session_id.as_bytes());
        secret.copy_from_slice(self.secret.as_slice());
        mac.copy_from_slice(&self.mac(mac_key));
        Zeroizing::new(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> RefreshToken {
        RefreshToken::first(SessionId::from_bytes([1; 16]), [2; 32])
    }

    const MACS: [u8; 32] = [5; 32];

    #[test]
    fn a_token_reads_back_from_its_text() {
        let again = RefreshToken::parse(&token().expose(&MACS), &MACS).unwrap();
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
        let token = token().expose(&MACS);
        for text in
            ["", "envoi_rt_", &token[3..], &token[..token.len() - 2], &format!("{}AA", token.as_str())]
        {
            assert!(RefreshToken::parse(text, &MACS).is_none(), "{text}");
        }
    }

    #[test]
    fn a_token_that_somebody_made_up_is_none() {
        // Whoever knows a session's id, or has a token of it and changes one character.
        let forged = RefreshToken::first(SessionId::from_bytes([1; 16]), [3; 32]).expose(&[6; 32]);
        assert!(RefreshToken::parse(&forged, &MACS).is_none());
        let good = token().expose(&MACS);
        for place in PREFIX.len()..good.len() {
            let other = if good.as_bytes()[place] == b'A' { "B" } else { "A" };
            let mut changed = good.to_string();
            changed.replace_range(place..=place, other);
            assert!(RefreshToken::parse(&changed, &MACS).is_none(), "{place}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", token()).contains(&token().expose(&MACS)[20..]));
    }
}
