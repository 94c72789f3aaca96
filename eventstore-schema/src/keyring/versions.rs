//! The versions of one key, unwrapped.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::Timestamp;
use zeroize::Zeroizing;

use super::KeyError;
use super::names::KeyName;
use super::store::KeyState;

/// One version of a key.
pub(crate) struct KeyVersion {
    pub(crate) version: u16,
    pub(crate) state: KeyState,
    /// There exactly when the state is not destroyed.
    pub(crate) key: Option<Zeroizing<[u8; 32]>>,
    pub(crate) made_at: Timestamp,
}

/// One version of a named secret, for those who need more than the one in force.
pub struct SecretVersion {
    /// Its number, from 1.
    pub version: u16,
    /// When it was made, by the store's clock.
    pub made_at: Timestamp,
    /// Whether it is known to others.
    pub is_compromised: bool,
    /// The secret.
    pub key: Zeroizing<[u8; 32]>,
}

/// Every version of one key; none of one that is unknown. Wiped when dropped.
#[derive(Default)]
pub(crate) struct KeyVersions(Vec<KeyVersion>);

pub(super) type Grouped = BTreeMap<KeyName, Arc<KeyVersions>>;

impl SecretVersion {
    fn of(one: &KeyVersion) -> Option<Self> {
        let KeyVersion { version, state, ref key, made_at } = *one;
        let is_compromised = state == KeyState::Compromised;
        Some(Self { version, made_at, is_compromised, key: key.clone()? })
    }
}

impl KeyVersions {
    /// Those that are not destroyed, oldest first.
    pub(super) fn secrets(&self) -> Vec<SecretVersion> {
        let mut secrets: Vec<_> = self.0.iter().filter_map(SecretVersion::of).collect();
        secrets.sort_by_key(|one| one.version);
        secrets
    }

    /// Whether nothing is known of the key.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The version that seals.
    pub(crate) fn active(&self, key: KeyName) -> Result<(u16, &Zeroizing<[u8; 32]>), KeyError> {
        if self.0.iter().any(|one| one.state == KeyState::Destroyed) {
            return Err(KeyError::Destroyed { key });
        }
        let active = self.0.iter().find(|one| one.state == KeyState::Active);
        active
            .and_then(|one| one.key.as_ref().map(|bytes| (one.version, bytes)))
            .ok_or(KeyError::Inactive { key })
    }

    /// A version that opens; `None` when it is destroyed on record.
    pub(crate) fn opening(
        &self,
        key: KeyName,
        version: u16,
    ) -> Result<Option<&Zeroizing<[u8; 32]>>, KeyError> {
        let found = self.0.iter().find(|one| one.version == version || one.state == KeyState::Destroyed);
        found.map(|one| one.key.as_ref()).ok_or(KeyError::Unknown { key, version })
    }
}

/// Gathers versions by key.
pub(super) fn group(rows: Vec<(KeyName, KeyVersion)>) -> Grouped {
    let mut keys: BTreeMap<KeyName, KeyVersions> = BTreeMap::new();
    for (name, version) in rows {
        keys.entry(name).or_default().0.push(version);
    }
    keys.into_iter().map(|(name, versions)| (name, Arc::new(versions))).collect()
}
