//! The keyring: every key at rest, stored wrapped only, and unwrapped in a bounded cache.
//!
//! A key lies wrapped under one of 256 shard keys, shard keys under a root key that is never in PostgreSQL. Only a
//! recorded destruction reads as erased; a key that is just not there is [`KeyError::Unknown`].

mod figures;
mod memory;
mod names;
mod postgres;
mod root;
mod shards;
mod store;
mod versions;
mod wrap;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::database::Pool;
use zeroize::Zeroizing;

use crate::entropy::{self, EntropyError};
use crate::sealed::KeyRef;
use shards::Shards;
use store::{KeyRow, KeyStore};

pub use figures::{KeyCount, KeyCounting, KeyMetrics};
pub use names::{KeyKind, KeyName, Secret};
pub use root::{RootError, RootId, RootKeyFile, RootProvider};
pub use store::{Destruction, KeyState, StoreError};
pub use versions::SecretVersion;
pub use wrap::SivKey;

pub(crate) use versions::{KeyVersion, KeyVersions};

/// Most unwrapped keys in memory: about 20 MB, and enough for every conversation that is busy at one time.
const CACHED_KEYS_MAX: u64 = 100_000;
/// How long an unwrapped key is used without asking the store again: so long may a destruction elsewhere go unnoticed
/// by a node that was not told ([`Keyring::invalidate`]).
pub const CACHED_KEY_SECONDS_MAX: u64 = 60;
/// How often a first use is tried: each further try follows a rotation of the shard key by another node.
const CREATE_ATTEMPTS_MAX: usize = 3;

/// Why the keyring does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenKeyringError {
    /// The root key is another than the one that wraps this keyring.
    #[error(
        "this keyring is wrapped by root key {expected}, but root key {found} was given: restore the right root key file"
    )]
    WrongRoot {
        /// Which one is needed.
        expected: RootId,
        /// Which one was given.
        found: RootId,
    },
    /// The root key cannot be used.
    #[error("cannot use the root key")]
    Root(#[from] RootError),
    /// The store does not answer.
    #[error("cannot read the keyring")]
    Store(#[from] StoreError),
    /// The first keys could not be made.
    #[error("cannot make the first shard keys")]
    Entropy(#[from] EntropyError),
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Nothing is known of it: neither made nor destroyed on record.
    #[error("{key} key version {version} is unknown")]
    Unknown {
        /// The key.
        key: KeyName,
        /// Which version.
        version: u16,
    },
    /// It was destroyed, and nothing is ever sealed under it again.
    #[error("{key} key is destroyed")]
    Destroyed {
        /// The key.
        key: KeyName,
    },
    /// No version of it is active.
    #[error("{key} key has no active version: rotate it")]
    Inactive {
        /// The key.
        key: KeyName,
    },
    /// What is stored for it does not unwrap: it was changed or comes from another keyring.
    #[error("{key} key does not unwrap under its shard's key")]
    Corrupt {
        /// The key.
        key: KeyName,
    },
    /// The keyring cannot be reached: try again.
    #[error("the keyring cannot be reached: {0}")]
    Unavailable(String),
    /// The store holds what this product does not write.
    #[error("the keyring is damaged: {0}")]
    Damaged(String),
    /// No key could be made.
    #[error("cannot make a key")]
    Entropy(#[from] EntropyError),
}

impl From<StoreError> for KeyError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => KeyError::Unavailable(error.to_string()),
            StoreError::Corrupt(_) => KeyError::Damaged(error.to_string()),
        }
    }
}

impl From<OpenKeyringError> for KeyError {
    fn from(error: OpenKeyringError) -> Self {
        match error {
            OpenKeyringError::Store(error) => error.into(),
            OpenKeyringError::Entropy(error) => error.into(),
            OpenKeyringError::Root(RootError::Unavailable(reason)) => KeyError::Unavailable(reason),
            OpenKeyringError::Root(error) => KeyError::Damaged(error.to_string()),
            OpenKeyringError::WrongRoot { .. } => KeyError::Damaged(error.to_string()),
        }
    }
}

/// Every key at rest, behind a bounded cache of unwrapped ones.
pub struct Keyring {
    store: Arc<dyn KeyStore>,
    root: Arc<dyn RootProvider>,
    shards: RwLock<Arc<Shards>>,
    cache: moka::sync::Cache<KeyName, Arc<KeyVersions>>,
    /// Raised by each invalidation, so that what was read before it is not cached after it.
    epoch: RwLock<u64>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("root", &self.root.id()).finish_non_exhaustive()
    }
}

impl Keyring {
    /// Opens the keyring in PostgreSQL, making its root record and shard keys on the first use. Any number of nodes may
    /// do so at once.
    ///
    /// # Errors
    /// [`OpenKeyringError::WrongRoot`] when another root key wraps it.
    pub async fn open(pool: Pool, root: Arc<dyn RootProvider>) -> Result<Self, OpenKeyringError> {
        Self::over(Arc::new(postgres::PostgresKeys::new(pool)?), root).await
    }

    /// The root key that wraps the keyring in PostgreSQL, if one was made there. Changes nothing.
    ///
    /// # Errors
    /// When the keyring cannot be read.
    pub async fn root_on_record(pool: Pool) -> Result<Option<RootId>, StoreError> {
        Ok(postgres::PostgresKeys::new(pool)?.root().await?.map(|root| root.id))
    }

    /// Opens a fresh keyring in memory, under a root key of its own.
    ///
    /// # Errors
    /// When there is no randomness.
    #[cfg(any(test, feature = "testing"))]
    pub async fn in_memory() -> Result<Self, OpenKeyringError> {
        let root = Arc::new(root::RootKey::new(entropy::random()?));
        Self::over(Arc::new(memory::MemoryKeys::default()), root).await
    }

    async fn over(store: Arc<dyn KeyStore>, root: Arc<dyn RootProvider>) -> Result<Self, OpenKeyringError> {
        let stored = match store.root().await? {
            Some(stored) => Some(stored),
            None => {
                shards::initialise(store.as_ref(), root.as_ref()).await?;
                store.root().await?
            }
        };
        let stored = stored.ok_or_else(|| StoreError::Corrupt("no root is on record".to_owned()))?;
        if stored.id != root.id() {
            return Err(OpenKeyringError::WrongRoot { expected: stored.id, found: root.id() });
        }
        let shards = shards::load(store.as_ref(), root.as_ref()).await?;
        let cache = moka::sync::Cache::builder()
            .max_capacity(CACHED_KEYS_MAX)
            .time_to_live(Duration::from_secs(CACHED_KEY_SECONDS_MAX))
            .build();
        Ok(Self { store, root, shards: RwLock::new(Arc::new(shards)), cache, epoch: RwLock::new(0) })
    }

    /// Whether its store answers now, whatever is in the cache. Takes nothing that sealing and opening need.
    ///
    /// # Errors
    /// When it does not.
    pub async fn answers(&self) -> Result<(), KeyError> {
        Ok(self.store.answers().await?)
    }

    /// The secret with this name, made on first use.
    ///
    /// # Errors
    /// When the keyring cannot be reached or holds no active version.
    pub async fn named_secret(&self, secret: Secret) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let name = KeyName::Secret(secret);
        let entries = self.usable(&[name]).await?;
        let entry = entries.first().ok_or(KeyError::Inactive { key: name })?;
        Ok(entry.active(name)?.1.clone())
    }

    /// Every version of the secret that is not destroyed, oldest first, as the store has them now; the first is made when
    /// there is none.
    ///
    /// # Errors
    /// As [`Keyring::named_secret`].
    pub async fn secret_versions(&self, secret: Secret) -> Result<Vec<SecretVersion>, KeyError> {
        let name = KeyName::Secret(secret);
        self.usable(&[name]).await?;
        let rows = self.store.fetch(&[name]).await?;
        let found = versions::group(self.unwrap_rows(rows).await?);
        Ok(found.get(&name).map(|versions| versions.secrets()).unwrap_or_default())
    }

    /// Makes the version of a key that follows version `last`, which is kept and, if `compromised`, marked so with all before
    /// it. `false` when another is in force by now. At once on this node; others notice as with [`Keyring::destroy`].
    ///
    /// # Errors
    /// When the keyring cannot be reached; whether it is made is then unknown: ask for the versions.
    pub async fn rotate(&self, name: KeyName, last: u16, compromised: bool) -> Result<bool, KeyError> {
        self.reload_shards().await?;
        let version =
            last.checked_add(1).ok_or_else(|| KeyError::Damaged("no version is left".to_owned()))?;
        let row = self.shards().wrap_new(name, version, &entropy::random()?)?;
        let before = if compromised { KeyState::Compromised } else { KeyState::DecryptOnly };
        let made = self.store.insert_next(&row, before).await;
        self.invalidate(name);
        Ok(made?)
    }

    /// Keyed BLAKE3 of `bytes` under the secret: finds equal values without telling what they are.
    ///
    /// # Errors
    /// As [`Keyring::named_secret`].
    pub async fn blind_index(&self, purpose: Secret, bytes: &[u8]) -> Result<[u8; 32], KeyError> {
        let key = self.named_secret(purpose).await?;
        Ok(*blake3::keyed_hash(&key, bytes).as_bytes())
    }

    /// Records that a key is destroyed, in all its versions, made or not. At once on this node; other nodes notice when
    /// they are told ([`Keyring::invalidate`]) or after [`CACHED_KEY_SECONDS_MAX`]. A repetition changes nothing.
    ///
    /// This makes the key unusable. Older copies of the store die with the shard and root keys that wrapped it.
    ///
    /// # Errors
    /// When the keyring cannot be reached; whether the destruction is on record is then unknown, and repeating is safe.
    pub async fn destroy(&self, name: KeyName, destruction: Destruction) -> Result<(), KeyError> {
        self.invalidate(name);
        let done = self.store.destroy(name, destruction).await;
        self.invalidate(name);
        Ok(done?)
    }

    /// A number that changes whenever what is known of a key is given up: what was opened before may be erased since.
    pub fn epoch(&self) -> u64 {
        *self.epoch.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what is cached of a key, so that its next use asks the store.
    pub fn invalidate(&self, name: KeyName) {
        let mut epoch = self.epoch.write().unwrap_or_else(PoisonError::into_inner);
        *epoch = epoch.wrapping_add(1);
        self.cache.invalidate(&name);
        drop(epoch);
        self.cache.run_pending_tasks();
    }

    /// Fetches the keys of a page together, so that using them asks the store no more.
    ///
    /// # Errors
    /// When the keyring cannot be reached.
    pub async fn keys_for(&self, refs: &[KeyRef]) -> Result<(), KeyError> {
        let names: Vec<_> = refs.iter().flat_map(KeyRef::keys).collect();
        self.versions(&names).await.map(|_| ())
    }

    /// Every version of the keys, in the order asked for; unknown keys have none. At most one query.
    pub(crate) async fn versions(&self, names: &[KeyName]) -> Result<Vec<Arc<KeyVersions>>, KeyError> {
        let cached: Vec<_> = names.iter().map(|name| self.cache.get(name)).collect();
        let missing: BTreeSet<KeyName> =
            names.iter().zip(&cached).filter(|(_, hit)| hit.is_none()).map(|(name, _)| *name).collect();
        if missing.is_empty() {
            return Ok(cached.into_iter().flatten().collect());
        }
        let epoch = *self.epoch.read().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<_> = missing.into_iter().collect();
        let rows = self.store.fetch(&missing).await?;
        let fetched = versions::group(self.unwrap_rows(rows).await?);
        self.remember(epoch, &fetched);
        let none = Arc::new(KeyVersions::default());
        let found = |name| fetched.get(name).unwrap_or(&none).clone();
        Ok(names.iter().zip(cached).map(|(name, hit)| hit.unwrap_or_else(|| found(name))).collect())
    }

    /// The same, with keys made that are unknown. Destroyed keys stay destroyed.
    pub(crate) async fn usable(&self, names: &[KeyName]) -> Result<Vec<Arc<KeyVersions>>, KeyError> {
        for _ in 0..CREATE_ATTEMPTS_MAX {
            let entries = self.versions(names).await?;
            let missing: Vec<_> = names
                .iter()
                .zip(&entries)
                .filter(|(_, entry)| entry.is_empty())
                .map(|(name, _)| *name)
                .collect();
            if missing.is_empty() {
                return Ok(entries);
            }
            if !self.create(&missing).await? {
                self.reload_shards().await?;
            }
        }
        Err(KeyError::Unavailable("shard keys are being rotated".to_owned()))
    }

    /// Makes first versions of keys; whoever else does so at once, one key remains. Tells whether all are there now.
    async fn create(&self, names: &[KeyName]) -> Result<bool, KeyError> {
        let shards = self.shards();
        let mut rows = Vec::with_capacity(names.len());
        for name in names {
            let key = entropy::random()?;
            rows.push(shards.wrap_new(*name, 1, &key)?);
        }
        self.store.insert_first(&rows).await?;
        let found = self.versions(names).await?;
        Ok(found.iter().all(|entry| !entry.is_empty()))
    }

    async fn unwrap_rows(&self, rows: Vec<KeyRow>) -> Result<Vec<(KeyName, KeyVersion)>, KeyError> {
        if !self.shards().cover(&rows) {
            self.reload_shards().await?;
        }
        let shards = self.shards();
        rows.into_iter().map(|row| shards.unwrap_row(row)).collect()
    }

    async fn reload_shards(&self) -> Result<(), KeyError> {
        let fresh = Arc::new(shards::load(self.store.as_ref(), self.root.as_ref()).await?);
        *self.shards.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    fn shards(&self) -> Arc<Shards> {
        self.shards.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, epoch: u64, fetched: &versions::Grouped) {
        let now = self.epoch.read().unwrap_or_else(PoisonError::into_inner);
        if *now == epoch {
            for (name, entry) in fetched {
                self.cache.insert(*name, entry.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
