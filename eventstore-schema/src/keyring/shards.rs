//! The 256 shard keys, unwrapped for as long as the keyring is open.

use std::collections::BTreeMap;

use domain::Timestamp;

use super::names::KeyName;
use super::root::RootProvider;
use super::store::{KeyRow, KeyState, KeyStore, RootRow, ShardRow};
use super::versions::KeyVersion;
use super::wrap::{self, SivKey};
use super::{KeyError, OpenKeyringError};
use crate::entropy;

const FIRST_VERSION: u32 = 1;

/// Shard keys by shard and version.
pub(super) struct Shards(BTreeMap<(u8, u32), (KeyState, SivKey)>);

impl Shards {
    /// Whether the shard key of every row is known.
    pub(super) fn cover(&self, rows: &[KeyRow]) -> bool {
        rows.iter()
            .filter(|row| row.wrapped.is_some())
            .all(|row| self.0.contains_key(&(row.name.shard(), row.shard_version)))
    }

    /// Wraps a new version of a key under the active key of its shard.
    pub(super) fn wrap_new(
        &self,
        name: KeyName,
        version: u16,
        key: &zeroize::Zeroizing<[u8; 32]>,
    ) -> Result<KeyRow, KeyError> {
        let shard = name.shard();
        let active = self
            .0
            .range((shard, 0)..=(shard, u32::MAX))
            .find(|(_, (state, _))| *state == KeyState::Active)
            .ok_or_else(|| KeyError::Damaged(format!("shard {shard} has no active key")))?;
        let ((_, shard_version), (_, shard_key)) = active;
        let wrapped =
            wrap::wrap_named(shard_key, name, version, key).map_err(|_| KeyError::Corrupt { key: name })?;
        let (state, wrapped, made_at) = (KeyState::Active, Some(wrapped), Timestamp::from_micros(0));
        Ok(KeyRow { name, version, state, shard_version: *shard_version, wrapped, made_at })
    }

    /// Unwraps a stored key.
    pub(super) fn unwrap_row(&self, row: KeyRow) -> Result<(KeyName, KeyVersion), KeyError> {
        let KeyRow { name, version, state, shard_version, wrapped, made_at } = row;
        let Some(wrapped) = wrapped else {
            return Ok((name, KeyVersion { version, state, key: None, made_at }));
        };
        let corrupt = KeyError::Corrupt { key: name };
        let Some((_, shard_key)) = self.0.get(&(name.shard(), shard_version)) else { return Err(corrupt) };
        let key = wrap::unwrap_named(shard_key, name, version, &wrapped).map_err(|_| corrupt)?;
        Ok((name, KeyVersion { version, state, key: Some(key), made_at }))
    }
}

/// Makes the first shard keys and records them with the root, unless another node has.
pub(super) async fn initialise(
    store: &dyn KeyStore,
    root: &dyn RootProvider,
) -> Result<(), OpenKeyringError> {
    let mut rows = Vec::with_capacity(256);
    for shard in 0..=u8::MAX {
        let key = entropy::random::<64>()?;
        let wrapped = root.wrap_key(&wrap::shard_context(shard, FIRST_VERSION), &key).await?;
        rows.push(ShardRow { shard, version: FIRST_VERSION, state: KeyState::Active, wrapped });
    }
    let row = RootRow { version: FIRST_VERSION, id: root.id() };
    Ok(store.initialise(&row, &rows).await?)
}

/// Unwraps every shard key.
pub(super) async fn load(store: &dyn KeyStore, root: &dyn RootProvider) -> Result<Shards, OpenKeyringError> {
    let mut shards = BTreeMap::new();
    for row in store.shards().await? {
        let context = wrap::shard_context(row.shard, row.version);
        let key = root.unwrap_key(&context, &row.wrapped).await?;
        shards.insert((row.shard, row.version), (row.state, key));
    }
    Ok(Shards(shards))
}
