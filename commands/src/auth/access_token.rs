//! Access tokens: JWT (RFC 7519) signed with EdDSA (RFC 8037), short-lived, verified without a look at any store.

use arc_swap::ArcSwap;
use domain::{AccountId, DeviceId, SessionId, Timestamp};
use eventstore_schema::keyring::SecretVersion;
use jsonwebtoken::{Algorithm, Header, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::signing_keys::{CLOCK_SKEW_SECONDS, SigningKeys};

/// How long an access token holds, in seconds: bounds what a stolen one is worth.
pub const ACCESS_TOKEN_SECONDS: i64 = 600;
/// Longest token that is looked at, in bytes; ours have some 500.
const TOKEN_BYTES_MAX: usize = 2_048;
/// Verified tokens kept: one for each active session of a busy node.
const VERIFIED_MAX: u64 = 100_000;
const AUDIENCE: &str = "envoi";

/// Who a token speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account_id: AccountId,
    /// The session.
    pub session_id: SessionId,
    /// The device that the session is bound to.
    pub device_id: Option<DeviceId>,
    /// From when on the token is refused.
    pub expires_at: Timestamp,
}

/// Why a token is refused. Callers answer all alike; the difference is for logs and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a token of ours: malformed, another algorithm, key, issuer or audience, a claim missing or of another type.
    #[error("the access token is not valid")]
    Invalid,
    /// It was valid until its time ran out.
    #[error("the access token has expired")]
    Expired,
    /// It could not be made.
    #[error("the access token could not be signed")]
    Signing,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: AccountId,
    sid: SessionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    did: Option<DeviceId>,
    iat: i64,
    exp: i64,
    jti: Uuid,
}

/// Issues and verifies access tokens.
pub struct AccessTokens {
    issuer: String,
    keys: ArcSwap<SigningKeys>,
    validation: Validation,
    verified: Cache<blake3::Hash, Identity>,
}

impl AccessTokens {
    /// Prepares signing with the newest of `keys`, seeds of Ed25519 keys, for tokens of `issuer` (the public URL).
    ///
    /// # Errors
    /// [`TokenError::Signing`] when a key cannot be encoded.
    pub fn new(issuer: &str, keys: &[SecretVersion]) -> Result<Self, TokenError> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[issuer]);
        // Expiry is compared below with the clock that everything else goes by.
        validation.validate_exp = false;
        Ok(Self {
            issuer: issuer.to_owned(),
            keys: ArcSwap::from_pointee(SigningKeys::new(keys)?),
            validation,
            verified: Cache::new(VERIFIED_MAX),
        })
    }

    /// Goes on with these keys; says whether they are others than before. What was verified is verified anew then.
    ///
    /// # Errors
    /// [`TokenError::Signing`] when a key cannot be encoded; nothing changes then.
    pub fn replace(&self, keys: &[SecretVersion]) -> Result<bool, TokenError> {
        let keys = SigningKeys::new(keys)?;
        let differ = !self.keys.load().same(&keys);
        if differ {
            self.keys.store(std::sync::Arc::new(keys));
            self.verified.invalidate_all();
        }
        Ok(differ)
    }

    /// Issues a token that holds for [`ACCESS_TOKEN_SECONDS`]; `token_id` is random.
    ///
    /// # Errors
    /// [`TokenError::Signing`].
    pub fn issue(
        &self,
        account_id: AccountId,
        session_id: SessionId,
        device_id: Option<DeviceId>,
        now: Timestamp,
        token_id: Uuid,
    ) -> Result<(String, Timestamp), TokenError> {
        let issued = now.as_micros() / 1_000_000;
        let expires = issued.saturating_add(ACCESS_TOKEN_SECONDS);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: account_id,
            sid: session_id,
            did: device_id,
            iat: issued,
            exp: expires,
            jti: token_id,
        };
        let keys = self.keys.load();
        let key = keys.signing(now).ok_or(TokenError::Signing)?;
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::EdDSA) };
        let token = jsonwebtoken::encode(&header, &claims, &key.signing).map_err(|_| TokenError::Signing)?;
        Ok((token, Timestamp::from_micros(0).plus_seconds(expires)))
    }

    /// Verifies a token. That its session still lives is another question: ask the revocations.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] or [`TokenError::Expired`].
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        let name = blake3::hash(token.as_bytes());
        let identity = match self.verified.get(&name) {
            Some(identity) => identity,
            None => {
                let identity = self.verify_signature(token, now)?;
                self.verified.insert(name, identity);
                identity
            }
        };
        if identity.expires_at <= now {
            self.verified.invalidate(&name);
            return Err(TokenError::Expired);
        }
        Ok(identity)
    }

    fn verify_signature(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let keys = self.keys.load();
        let key = header.kid.and_then(|id| keys.accepted(&id, now)).ok_or(TokenError::Invalid)?;
        let data = jsonwebtoken::decode::<Claims>(token, &key.verifying, &self.validation)
            .map_err(|_| TokenError::Invalid)?;
        // None of ours holds longer: it would outlive the key that signed it.
        let longest = ACCESS_TOKEN_SECONDS.saturating_add(CLOCK_SKEW_SECONDS);
        if data.claims.exp.saturating_sub(now.as_micros() / 1_000_000) > longest {
            return Err(TokenError::Invalid);
        }
        Ok(Identity {
            account_id: data.claims.sub,
            session_id: data.claims.sid,
            device_id: data.claims.did,
            expires_at: Timestamp::from_micros(0).plus_seconds(data.claims.exp),
        })
    }

    /// The public keys of the tokens that are accepted now, as a JSON Web Key Set (RFC 7517).
    pub fn jwks(&self, now: Timestamp) -> serde_json::Value {
        self.keys.load().jwks(now)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use ed25519_dalek::SigningKey;
    use ed25519_dalek::pkcs8::EncodePrivateKey;
    use jsonwebtoken::EncodingKey;
    use zeroize::Zeroizing;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn key(seed: u8, version: u16, is_compromised: bool) -> SecretVersion {
        let made_at = NOW.plus_seconds(-i64::from(u8::MAX));
        SecretVersion { version, made_at, is_compromised, key: Zeroizing::new([seed; 32]) }
    }

    fn tokens(seed: u8) -> AccessTokens {
        AccessTokens::new("https://envoi.test", &[key(seed, 1, false)]).unwrap()
    }

    #[test]
    fn tokens_of_a_key_hold_on_until_it_is_known_to_others() {
        let tokens = tokens(7);
        let before = issue(&tokens);
        assert_eq!(tokens.replace(&[key(7, 1, false)]), Ok(false));
        assert_eq!(tokens.replace(&[key(7, 1, false), key(8, 2, false)]), Ok(true));
        let after = issue(&tokens);
        assert!(tokens.verify(&before, NOW).is_ok() && tokens.verify(&after, NOW).is_ok());
        assert_eq!(tokens.replace(&[key(7, 1, true), key(8, 2, false)]), Ok(true));
        assert_eq!(tokens.verify(&before, NOW), Err(TokenError::Invalid));
        assert!(tokens.verify(&after, NOW).is_ok());
    }

    #[test]
    fn a_token_that_holds_longer_than_ours_is_refused() {
        let mut long = claims();
        long["exp"] = 1_800_001_000.into();
        assert_eq!(tokens(7).verify(&signed(&header(), &long), NOW), Err(TokenError::Invalid));
    }

    fn issue(tokens: &AccessTokens) -> String {
        let (account, session) = (AccountId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
        tokens.issue(account, session, Some(DeviceId::from_bytes([3; 16])), NOW, Uuid::nil()).unwrap().0
    }

    fn signed(header: &Header, claims: &serde_json::Value) -> String {
        let der = SigningKey::from_bytes(&[7; 32]).to_pkcs8_der().unwrap();
        jsonwebtoken::encode(header, claims, &EncodingKey::from_ed_der(der.as_bytes())).unwrap()
    }

    fn claims() -> serde_json::Value {
        let id = Uuid::from_bytes([1; 16]);
        serde_json::json!({ "iss": "https://envoi.test", "aud": "envoi", "sub": id, "sid": id,
            "iat": 1_800_000_000, "exp": 1_800_000_600, "jti": id })
    }

    fn kid(tokens: &AccessTokens) -> String {
        tokens.jwks(NOW)["keys"][0]["kid"].as_str().unwrap().to_owned()
    }

    fn header() -> Header {
        Header { kid: Some(kid(&tokens(7))), ..Header::new(Algorithm::EdDSA) }
    }

    #[test]
    fn a_token_speaks_for_whom_it_was_issued() {
        let tokens = tokens(7);
        let token = issue(&tokens);
        for _ in 0..2 {
            let identity = tokens.verify(&token, NOW.plus_seconds(ACCESS_TOKEN_SECONDS - 1)).unwrap();
            assert_eq!(identity.account_id, AccountId::from_bytes([1; 16]));
            assert_eq!(identity.device_id, Some(DeviceId::from_bytes([3; 16])));
        }
    }

    #[test]
    fn a_token_expires_to_the_second_cached_or_not() {
        let tokens = tokens(7);
        let token = issue(&tokens);
        let late = NOW.plus_seconds(ACCESS_TOKEN_SECONDS);
        assert_eq!(tokens.verify(&token, late), Err(TokenError::Expired));
        assert!(tokens.verify(&token, NOW).is_ok());
        assert_eq!(tokens.verify(&token, late), Err(TokenError::Expired));
    }

    #[test]
    fn another_key_or_a_changed_token_is_refused() {
        let token = issue(&tokens(7));
        assert_eq!(tokens(8).verify(&token, NOW), Err(TokenError::Invalid));
        let changed = token.replacen('.', ".A", 1);
        assert_eq!(tokens(7).verify(&changed, NOW), Err(TokenError::Invalid));
        assert_eq!(tokens(7).verify("", NOW), Err(TokenError::Invalid));
        assert_eq!(tokens(7).verify(&"a".repeat(TOKEN_BYTES_MAX + 1), NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn a_well_signed_token_without_flaw_is_taken() {
        assert!(tokens(7).verify(&signed(&header(), &claims()), NOW).is_ok());
    }

    #[test]
    fn a_missing_or_mistyped_claim_is_refused() {
        for claim in ["iss", "aud", "sub", "sid", "exp", "jti"] {
            let mut without = claims();
            without.as_object_mut().unwrap().remove(claim);
            assert_eq!(
                tokens(7).verify(&signed(&header(), &without), NOW),
                Err(TokenError::Invalid),
                "{claim}"
            );
        }
        let mut text = claims();
        text["exp"] = "1800000600".into();
        assert_eq!(tokens(7).verify(&signed(&header(), &text), NOW), Err(TokenError::Invalid));
        for claim in ["iss", "aud"] {
            let mut other = claims();
            other[claim] = "elsewhere".into();
            assert_eq!(
                tokens(7).verify(&signed(&header(), &other), NOW),
                Err(TokenError::Invalid),
                "{claim}"
            );
        }
    }

    #[test]
    fn another_algorithm_is_refused_even_with_the_public_key_as_secret() {
        let tokens = tokens(7);
        let public = tokens.jwks(NOW)["keys"][0]["x"].as_str().unwrap().to_owned();
        let secret = BASE64_URL_SAFE_NO_PAD.decode(public).unwrap();
        let mut hmac = header();
        hmac.alg = Algorithm::HS256;
        let token = jsonwebtoken::encode(&hmac, &claims(), &EncodingKey::from_secret(&secret)).unwrap();
        assert_eq!(tokens.verify(&token, NOW), Err(TokenError::Invalid));
        let unsigned = format!(
            "{}.{}.",
            BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#),
            BASE64_URL_SAFE_NO_PAD.encode(claims().to_string()),
        );
        assert_eq!(tokens.verify(&unsigned, NOW), Err(TokenError::Invalid));
    }
}
