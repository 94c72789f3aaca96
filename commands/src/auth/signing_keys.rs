//! The keys that sign access tokens, and how one takes another's place.
//!
//! A new key is published and accepted by every node before the first token is signed with it; the one before is published and
//! accepted until the last token that it signed has expired. A key that is known to others is neither, at once.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::operations::commands::RotateSigningKey;
use domain::operations::{Operations, OperationsId};
use domain::{Actor, Timestamp};
use ed25519_dalek::pkcs8::EncodePrivateKey;
use eventstore_schema::Keyring;
use eventstore_schema::keyring::{KeyError, KeyName, Secret, SecretVersion};
use jsonwebtoken::{DecodingKey, EncodingKey};
use tokio::task::JoinHandle;

use super::access_token::{ACCESS_TOKEN_SECONDS, AccessTokens, TokenError};
use crate::clock::Clock;
use crate::executor::{ExecuteError, Executor};
use crate::request::{CommandIdentity, Content, Request};

/// How often a node asks the keyring for keys.
const POLL: Duration = Duration::from_secs(5);
/// How long a key is published before it signs: every node has asked several times by then.
const LEAD_SECONDS: i64 = 30;
/// How far the clocks of two nodes, or a node and PostgreSQL, may be apart.
pub(super) const CLOCK_SKEW_SECONDS: i64 = 60;

/// A key pair.
pub(super) struct SigningKey {
    /// As tokens and the key set call it.
    pub id: String,
    pub signing: EncodingKey,
    pub verifying: DecodingKey,
    public: String,
    made_at: Timestamp,
    is_compromised: bool,
}

impl SigningKey {
    fn new(version: &SecretVersion) -> Result<Self, TokenError> {
        let key = ed25519_dalek::SigningKey::from_bytes(&version.key);
        let der = key.to_pkcs8_der().map_err(|_| TokenError::Signing)?;
        let public = BASE64_URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        Ok(Self {
            id: blake3::hash(key.verifying_key().as_bytes()).to_hex().chars().take(16).collect(),
            signing: EncodingKey::from_ed_der(der.as_bytes()),
            verifying: DecodingKey::from_ed_components(&public).map_err(|_| TokenError::Signing)?,
            public,
            made_at: version.made_at,
            is_compromised: version.is_compromised,
        })
    }
}

/// All keys, oldest first.
pub(super) struct SigningKeys(Vec<SigningKey>);

impl SigningKeys {
    pub(super) fn new(versions: &[SecretVersion]) -> Result<Self, TokenError> {
        versions.iter().map(SigningKey::new).collect::<Result<_, _>>().map(Self)
    }

    /// The key that signs now.
    pub(super) fn signing(&self, now: Timestamp) -> Option<&SigningKey> {
        let begun = |(place, key): &(usize, &SigningKey)| !key.is_compromised && self.begins(*place) <= now;
        let newest = self.0.iter().enumerate().filter(begun).map(|(_, key)| key).next_back();
        newest.or(self.0.last())
    }

    /// The key with this id, if its tokens are accepted now.
    pub(super) fn accepted(&self, id: &str, now: Timestamp) -> Option<&SigningKey> {
        self.all_accepted(now).find(|key| key.id == id)
    }

    /// The public keys as a JSON Web Key Set (RFC 7517).
    pub(super) fn jwks(&self, now: Timestamp) -> serde_json::Value {
        let keys = self.all_accepted(now).map(|key| {
            serde_json::json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.id, "x": key.public,
            })
        });
        serde_json::json!({ "keys": keys.collect::<Vec<_>>() })
    }

    /// Whether these are the same keys in the same states.
    pub(super) fn same(&self, other: &Self) -> bool {
        let told =
            |keys: &Self| keys.0.iter().map(|key| (key.id.clone(), key.is_compromised)).collect::<Vec<_>>();
        told(self) == told(other)
    }

    fn all_accepted(&self, now: Timestamp) -> impl Iterator<Item = &SigningKey> {
        let holds = move |(place, key): &(usize, &SigningKey)| {
            let successor = place.saturating_add(1);
            let ends = self.begins(successor).plus_seconds(ACCESS_TOKEN_SECONDS + CLOCK_SKEW_SECONDS);
            !key.is_compromised && (successor == self.0.len() || now < ends)
        };
        self.0.iter().enumerate().filter(holds).map(|(_, key)| key)
    }

    /// From when on the key in this place signs.
    fn begins(&self, place: usize) -> Timestamp {
        let before = place.checked_sub(1).and_then(|before| self.0.get(before));
        match (before, self.0.get(place)) {
            (Some(before), Some(key)) if !before.is_compromised => key.made_at.plus_seconds(LEAD_SECONDS),
            (Some(_), Some(key)) => key.made_at,
            (None, _) | (_, None) => Timestamp::from_micros(i64::MIN),
        }
    }
}

/// Asks the keyring for keys until it is dropped.
pub struct KeyFollower(JoinHandle<()>);

impl Drop for KeyFollower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl AccessTokens {
    /// Takes up new keys as they are made, on whichever node, within seconds.
    pub fn follow(self: &Arc<Self>, keyring: Arc<Keyring>) -> KeyFollower {
        let this = Arc::clone(self);
        KeyFollower(tokio::spawn(async move {
            loop {
                tokio::time::sleep(POLL).await;
                match keyring.secret_versions(Secret::AccessTokenSigning).await {
                    Ok(versions) => match this.replace(&versions) {
                        Ok(true) => {
                            tracing::info!(keys = versions.len(), "the keys of access tokens changed")
                        }
                        Ok(false) => {}
                        Err(error) => tracing::error!(%error, "a key of access tokens cannot be used"),
                    },
                    Err(error) => tracing::debug!(%error, "the keys of access tokens cannot be read"),
                }
            }
        }))
    }
}

/// Why the key was not rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The keyring cannot be reached or is damaged.
    #[error("the keyring does not rotate the key")]
    Key(#[from] KeyError),
    /// The decision was not recorded.
    #[error("the rotation cannot be recorded")]
    Record(#[from] ExecuteError),
    /// Somebody else rotated it at the same time.
    #[error("the key was rotated by somebody else just now")]
    Raced,
}

/// Records that the key which signs access tokens is rotated, and makes the next; gives its version. Repeating it after a
/// failure goes on with the rotation that was recorded.
///
/// # Errors
/// See [`RotateError`].
pub async fn rotate(
    executor: &Executor,
    keyring: &Keyring,
    clock: &Clock,
    compromised: bool,
) -> Result<u16, RotateError> {
    let secret = Secret::AccessTokenSigning;
    let versions = keyring.secret_versions(secret).await?;
    let last = versions.last().map_or(1, |one| one.version);
    let content: [&[u8]; 2] = [&last.to_be_bytes(), &[u8::from(compromised)]];
    let command =
        CommandIdentity { id: clock.new_id(), content: Content::of("rotate signing key", &content) };
    let request = Request::new(clock.now(), Actor::OPERATOR, command, clock.new_id());
    let rotate = RotateSigningKey { last: u32::from(last), compromised };
    executor.execute::<Operations>(OperationsId::signing_key(), rotate.into(), &request).await?;
    if !keyring.rotate(KeyName::Secret(secret), last, compromised).await? {
        return Err(RotateError::Raced);
    }
    Ok(last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    const MADE: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn version(version: u16, made_at: Timestamp, is_compromised: bool) -> SecretVersion {
        SecretVersion { version, made_at, is_compromised, key: Zeroizing::new([version as u8; 32]) }
    }

    fn keys(compromised: bool) -> (SigningKeys, [String; 2]) {
        let first = version(1, MADE.plus_seconds(-1_000_000), compromised);
        let keys = SigningKeys::new(&[first, version(2, MADE, false)]).unwrap();
        let ids = [keys.0[0].id.clone(), keys.0[1].id.clone()];
        (keys, ids)
    }

    fn state(keys: &SigningKeys, at: i64) -> (String, Vec<String>) {
        let now = MADE.plus_seconds(at);
        let listed = keys.jwks(now)["keys"].as_array().unwrap().clone();
        let published = listed.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
        (keys.signing(now).unwrap().id.clone(), published)
    }

    #[test]
    fn a_new_key_is_published_before_it_signs_and_the_old_one_until_its_tokens_expired() {
        let (keys, [old, new]) = keys(false);
        let both = vec![old.clone(), new.clone()];
        let last = LEAD_SECONDS + ACCESS_TOKEN_SECONDS + CLOCK_SKEW_SECONDS;
        assert_eq!(state(&keys, -CLOCK_SKEW_SECONDS), (old.clone(), both.clone()));
        assert_eq!(state(&keys, LEAD_SECONDS - 1), (old.clone(), both.clone()));
        assert_eq!(state(&keys, LEAD_SECONDS), (new.clone(), both.clone()));
        assert_eq!(state(&keys, last - 1), (new.clone(), both));
        assert_eq!(state(&keys, last), (new.clone(), vec![new]));
        assert!(keys.accepted(&old, MADE.plus_seconds(last)).is_none());
    }

    #[test]
    fn a_key_that_others_know_is_given_up_at_once() {
        let (keys, [old, new]) = keys(true);
        for at in [-CLOCK_SKEW_SECONDS, 0, 1] {
            assert_eq!(state(&keys, at), (new.clone(), vec![new.clone()]));
        }
        assert!(keys.accepted(&old, MADE).is_none());
    }
}
