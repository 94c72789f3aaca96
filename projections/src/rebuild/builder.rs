//! Fills one projection's new tables.

use std::collections::HashSet;
use std::sync::Arc;

use eventstore_schema::{Incarnation, Position, StreamId};
use tokio::sync::mpsc;
use tokio_postgres::Config;

use super::RebuildError;
use crate::batch::{self, Parked, mark_of, name_digest};
use crate::checkpoint::{Checkpoint, Layout, Mark};
use crate::leader::Decision;
use crate::projector::{Item, Projector};
use crate::store::{Mode, Store, StoreError};

/// A read model being built, in a schema of its own that nobody reads yet.
pub(crate) struct Builder {
    pub(crate) projector: Arc<dyn Projector>,
    pub(crate) store: Store,
    pub(crate) schema: String,
    generation: i32,
    incarnation: Incarnation,
    mark: Option<Mark>,
    /// What was put aside, with the events themselves: an operator's decision further on may bring them back.
    parked: Vec<(Parked, Item)>,
}

impl Builder {
    /// Makes the schema of the next generation. The connection holds a lock, so that one rebuild of a projection runs at a
    /// time, and older attempts can be told from running ones.
    pub(crate) async fn begin(
        config: &Config,
        projector: Arc<dyn Projector>,
        incarnation: Incarnation,
    ) -> Result<Self, RebuildError> {
        const LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('envoi rebuild ' || $1, 0))";
        let name = projector.name();
        let store = Store::connect(config).await?;
        let row = store.client.query_one(LOCK, &[&name]).await;
        if !row.and_then(|row| row.try_get::<_, bool>(0)).map_err(StoreError::at("locking a rebuild"))? {
            return Err(RebuildError::Busy { projection: name });
        }
        let live = Checkpoint::read(&store.client, name).await?.map(|checkpoint| checkpoint.generation);
        let generation = remove_leftovers(&store, name, live).await?.max(live.unwrap_or(0)).saturating_add(1);
        let schema = Layout(&*projector).schema(generation);
        store.execute(&Layout(&*projector).create(&schema)).await?;
        Ok(Self { projector, store, schema, generation, incarnation, mark: None, parked: Vec::new() })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.projector.name()
    }

    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    pub(crate) fn position(&self) -> Option<Position> {
        self.mark.map(|mark| mark.position)
    }

    /// What folding changes here beside the tables; to go back to when its transaction is rolled back.
    pub(super) fn memory(&self) -> (Option<Mark>, Vec<(Parked, Item)>) {
        (self.mark, self.parked.clone())
    }

    pub(super) fn restore(&mut self, memory: (Option<Mark>, Vec<(Parked, Item)>)) {
        (self.mark, self.parked) = memory;
    }

    pub(super) fn parked(&self) -> Vec<Parked> {
        self.parked.iter().map(|(parked, _)| parked.clone()).collect()
    }

    /// The checkpoint that goes with what has been folded.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            generation: self.generation,
            fingerprint: self.projector.fingerprint(),
            incarnation: self.incarnation,
            mark: self.mark,
        }
    }

    /// Makes what only queries need.
    pub(crate) async fn index(&self) -> Result<(), StoreError> {
        let layout = Layout(&*self.projector);
        self.store.execute(&layout.create_indexes(&self.schema)).await?;
        self.store.execute(&layout.analyze(&self.schema)).await
    }

    /// Folds pages until there are no more.
    pub(super) async fn fold_all(
        mut self,
        mut pages: mpsc::Receiver<Arc<[Item]>>,
    ) -> Result<Self, RebuildError> {
        while let Some(items) = pages.recv().await {
            self.store.execute("BEGIN").await?;
            self.fold(&items).await?;
            self.store.execute("COMMIT").await?;
        }
        Ok(self)
    }

    /// Folds a page in the transaction that is open, and brings parked events back where an operator once decided so.
    pub(crate) async fn fold(&mut self, items: &[Item]) -> Result<(), StoreError> {
        let mut rest = items;
        while !rest.is_empty() {
            let decision = self.next_decision(rest);
            let (now, behind) = rest.split_at(decision.as_ref().map_or(rest.len(), |(index, _)| *index));
            self.fold_part(now).await?;
            let (Some((_, decision)), Some((item, behind))) = (decision, behind.split_first()) else { break };
            let mut again = self.bring_back(&decision);
            again.push(item.clone());
            self.fold_part(&again).await?;
            rest = behind;
        }
        self.mark = mark_of(items).or(self.mark);
        Ok(())
    }

    fn next_decision(&self, items: &[Item]) -> Option<(usize, Decision)> {
        let decide = |(index, item)| Some((index, Decision::of(item, self.name())?));
        items.iter().enumerate().find_map(decide)
    }

    /// The events of the parked stream that was decided about, without the first if it is to be left out.
    fn bring_back(&mut self, decision: &Decision) -> Vec<Item> {
        let is_of = |parked: &Parked| name_digest(&parked.stream.to_string()) == decision.stream;
        let first = self.parked.iter().find(|(parked, _)| is_of(parked)).map(|(parked, _)| parked.position);
        if first != Some(decision.position) {
            return Vec::new();
        }
        let (back, stay): (Vec<_>, Vec<_>) = self.parked.drain(..).partition(|(parked, _)| is_of(parked));
        self.parked = stay;
        back.into_iter().map(|(_, item)| item).skip(usize::from(decision.discards)).collect()
    }

    async fn fold_part(&mut self, items: &[Item]) -> Result<(), StoreError> {
        if items.is_empty() {
            return Ok(());
        }
        let streams: HashSet<StreamId> = self.parked.iter().map(|(parked, _)| parked.stream).collect();
        self.store.execute("SAVEPOINT part").await?;
        let projector = &*self.projector;
        let outcome = batch::fold(projector, &mut self.store, &self.schema, items, &streams, true).await?;
        let parked = match self.store.write(&self.schema, &outcome.pending, Mode::Build).await {
            Ok(()) => outcome.parked,
            Err(error) if error.is_unique_violation() => {
                self.store.execute("ROLLBACK TO part").await?;
                let again =
                    batch::fold(projector, &mut self.store, &self.schema, items, &streams, false).await?;
                self.store.write(&self.schema, &again.pending, Mode::Build).await?;
                again.parked
            }
            Err(error) => return Err(error),
        };
        self.store.execute("RELEASE part").await?;
        for one in parked {
            let item = items.iter().find(|item| item.position() == one.position).cloned();
            self.parked.extend(item.map(|item| (one, item)));
        }
        Ok(())
    }
}

/// Removes schemas of rebuilds that were broken off; answers the highest generation seen.
async fn remove_leftovers(store: &Store, name: &str, live: Option<i32>) -> Result<i32, StoreError> {
    const SQL: &str = "SELECT nspname::text, substring(nspname FROM '[0-9]+$')::int FROM pg_namespace \
         WHERE nspname ~ ('^rm_' || $1 || '_[0-9]+$')";
    let failed = || StoreError::at("looking for earlier generations");
    let mut highest = 0;
    for row in store.client.query(SQL, &[&name]).await.map_err(failed())? {
        let schema: String = row.try_get(0).map_err(failed())?;
        let generation: i32 = row.try_get(1).map_err(failed())?;
        highest = highest.max(generation);
        if Some(generation) != live {
            store.execute(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await?;
        }
    }
    Ok(highest)
}
