//! Wrapped keys in memory, for tests: the same answers as PostgreSQL's.
#![cfg(any(test, feature = "testing"))]

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::figures::KeyCount;
use super::names::KeyName;
use super::store::{Destruction, KeyRow, KeyState, KeyStore, RootRow, ShardRow, StoreError};

/// When everything here was made.
const MADE_AT: domain::Timestamp = domain::Timestamp::from_micros(0);

#[derive(Default)]
struct State {
    root: Option<RootRow>,
    shards: Vec<ShardRow>,
    keys: BTreeMap<(KeyName, u16), KeyRow>,
}

/// A store that dies with the process.
#[derive(Default)]
pub(super) struct MemoryKeys(Mutex<State>);

impl MemoryKeys {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KeyStore for MemoryKeys {
    async fn answers(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn root(&self) -> Result<Option<RootRow>, StoreError> {
        Ok(self.state().root)
    }

    async fn initialise(&self, root: &RootRow, shards: &[ShardRow]) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.root.is_none() {
            state.root = Some(*root);
            state.shards = shards.to_vec();
        }
        Ok(())
    }

    async fn shards(&self) -> Result<Vec<ShardRow>, StoreError> {
        Ok(self.state().shards.clone())
    }

    async fn counts(&self) -> Result<Vec<KeyCount>, StoreError> {
        let mut counts: Vec<KeyCount> = Vec::new();
        for row in self.state().keys.values() {
            let name = match row.name {
                KeyName::Secret(secret) => Some(secret.name()),
                _ => None,
            };
            let Some(purpose) = KeyCount::purpose(row.name.kind(), name) else { continue };
            match counts.iter_mut().find(|one| one.purpose == purpose && one.state == row.state) {
                Some(known) => known.count += 1,
                None => {
                    counts.push(KeyCount { purpose, state: row.state, count: 1, oldest_seconds: 0.0 });
                }
            }
        }
        Ok(counts)
    }

    async fn fetch(&self, names: &[KeyName]) -> Result<Vec<KeyRow>, StoreError> {
        let state = self.state();
        let rows = names.iter().flat_map(|name| state.keys.range((*name, 0)..=(*name, u16::MAX)));
        Ok(rows.map(|(_, row)| row.clone()).collect())
    }

    async fn insert_first(&self, rows: &[KeyRow]) -> Result<(), StoreError> {
        let mut state = self.state();
        for row in rows {
            state.keys.entry((row.name, row.version)).or_insert_with(|| row.clone());
        }
        Ok(())
    }

    async fn insert_next(&self, row: &KeyRow, before: KeyState) -> Result<bool, StoreError> {
        let mut state = self.state();
        match state.keys.get_mut(&(row.name, row.version.saturating_sub(1))) {
            Some(last) if last.state == KeyState::Active => last.state = before,
            _ => return Ok(false),
        }
        let earlier = state.keys.range_mut((row.name, 0)..=(row.name, u16::MAX)).map(|(_, row)| row);
        for row in earlier.filter(|row| row.state == KeyState::DecryptOnly) {
            row.state = before;
        }
        state.keys.insert((row.name, row.version), row.clone());
        Ok(true)
    }

    async fn destroy(&self, name: KeyName, _: Destruction) -> Result<(), StoreError> {
        let mut state = self.state();
        let tombstone = KeyRow {
            name,
            version: 1,
            state: KeyState::Destroyed,
            shard_version: 0,
            wrapped: None,
            made_at: MADE_AT,
        };
        state.keys.entry((name, 1)).or_insert(tombstone);
        for (_, row) in state.keys.range_mut((name, 0)..=(name, u16::MAX)) {
            row.state = KeyState::Destroyed;
            row.wrapped = None;
        }
        Ok(())
    }
}
