//! What the keyring stores, all of it wrapped, and where.

use async_trait::async_trait;
use domain::Timestamp;

use super::figures::KeyCount;
use super::names::KeyName;
use super::root::RootId;
use crate::envelope::Position;

/// What may be done with one version of a key. The number is stored and never given to another state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Seals and opens; at most one version of a key.
    Active = 1,
    /// Opens what it sealed.
    DecryptOnly = 2,
    /// Opens what it sealed; known to others, so that what it sealed counts as readable by them.
    Compromised = 3,
    /// Gone, and its destruction is on record: what it sealed is erased.
    Destroyed = 4,
}

impl KeyState {
    /// The stored number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The state with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(KeyState::Active),
            2 => Some(KeyState::DecryptOnly),
            3 => Some(KeyState::Compromised),
            4 => Some(KeyState::Destroyed),
            _ => None,
        }
    }
}

/// The record of a destruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destruction {
    /// Position of the event that ordered it.
    pub position: Position,
    /// When it was ordered.
    pub at: Timestamp,
}

/// The root key that wraps the shard keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct RootRow {
    pub(super) version: u32,
    pub(super) id: RootId,
}

/// A shard key, wrapped under the root key.
#[derive(Clone)]
pub(super) struct ShardRow {
    pub(super) shard: u8,
    pub(super) version: u32,
    pub(super) state: KeyState,
    pub(super) wrapped: Vec<u8>,
}

/// One version of a key, wrapped under its shard's key; destroyed ones hold nothing.
#[derive(Clone)]
pub(super) struct KeyRow {
    pub(super) name: KeyName,
    pub(super) version: u16,
    pub(super) state: KeyState,
    pub(super) shard_version: u32,
    pub(super) wrapped: Option<Vec<u8>>,
    /// By the store's clock; of a row to be stored it is ignored.
    pub(super) made_at: Timestamp,
}

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached: try again.
    #[error("the keyring's store cannot be reached while {attempt}: {reason}")]
    Unavailable {
        /// What was attempted.
        attempt: &'static str,
        /// What the store said.
        reason: String,
    },
    /// It holds what this product does not write.
    #[error("the keyring's store holds something that Envoi did not write: {0}")]
    Corrupt(String),
}

/// Where wrapped keys are kept.
#[async_trait]
pub(super) trait KeyStore: Send + Sync + 'static {
    /// Whether it answers, asked over a connection that nobody else uses.
    async fn answers(&self) -> Result<(), StoreError>;

    /// The active root; `None` before the first use.
    async fn root(&self) -> Result<Option<RootRow>, StoreError>;

    /// Stores the first root with its shards, unless there is one. Of several at once, one is stored, whole.
    async fn initialise(&self, root: &RootRow, shards: &[ShardRow]) -> Result<(), StoreError>;

    /// Every shard key that is not destroyed.
    async fn shards(&self) -> Result<Vec<ShardRow>, StoreError>;

    /// Every version of the keys, in no order; nothing for those that are unknown.
    async fn fetch(&self, names: &[KeyName]) -> Result<Vec<KeyRow>, StoreError>;

    /// How many versions of keys there are, by purpose and state.
    async fn counts(&self) -> Result<Vec<KeyCount>, StoreError>;

    /// Stores first versions, where there is none and the shard key is still active.
    async fn insert_first(&self, rows: &[KeyRow]) -> Result<(), StoreError>;

    /// Stores a version that takes the place of the one before, which has to be active and gets the state `before`;
    /// [`KeyState::Compromised`] all earlier ones get with it. `false` when it is not, or the shard key is not active any more.
    async fn insert_next(&self, row: &KeyRow, before: KeyState) -> Result<bool, StoreError>;

    /// Records the destruction of every version of a key, also of one that was never made. A repetition changes
    /// nothing.
    async fn destroy(&self, name: KeyName, destruction: Destruction) -> Result<(), StoreError>;
}
