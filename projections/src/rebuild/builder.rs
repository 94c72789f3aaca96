//! Fills one projection's new tables.

use std::collections::HashSet;
use std::sync::Arc;

use eventstore_schema::database::Config;
use eventstore_schema::lease::{Lease, Leases, Taken};
use eventstore_schema::{Incarnation, Position, StreamId};
use tokio::sync::mpsc;

use super::RebuildError;
use crate::batch::{Folding, Outcome, Parked, mark_of, name_digest};
use crate::checkpoint::{Checkpoint, Layout, Mark};
use crate::leader::Decision;
use crate::projector::{Item, Projector};
use crate::rows::{Pending, TableDef};
use crate::store::{Mode, Store, StoreError};
use crate::table::Table;

/// When a read model's keys are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keying {
    /// With each table, so that a row that is added twice is found at the event that adds it.
    Early,
    /// When rows of the table are sought for the first time, if ever before the end: filling is cheaper without.
    Late,
}

/// Whose transaction a page is folded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One of its own, if there is anything to write.
    Own,
    /// The caller's, which is open.
    Open,
}

/// A read model being built, in a schema of its own that nobody reads yet.
pub(crate) struct Builder {
    pub(crate) projector: Arc<dyn Projector>,
    pub(crate) store: Store,
    lease: Lease,
    pub(crate) schema: String,
    generation: i32,
    incarnation: Incarnation,
    mark: Option<Mark>,
    /// Tables that have their keys.
    keyed: HashSet<&'static str>,
    /// What was put aside, with the events themselves: an operator's decision further on may bring them back.
    parked: Vec<(Parked, Item)>,
}

impl Builder {
    /// Makes the schema of the next generation, under a lease, so that one rebuild of a projection runs at a time, and older
    /// attempts can be told from running ones.
    pub(crate) async fn begin(
        leases: &Leases,
        config: &Config,
        projector: Arc<dyn Projector>,
        incarnation: Incarnation,
        keying: Keying,
    ) -> Result<Self, RebuildError> {
        let name = projector.name();
        let store = Store::connect(config).await?;
        let (lease, generation) = next_generation(leases, &store, name).await?;
        let schema = Layout(&*projector).schema(generation);
        store.execute_under(&lease, &Layout(&*projector).create(&schema)).await?;
        let (mark, keyed, parked) = (None, HashSet::new(), Vec::new());
        let mut builder =
            Self { projector, store, lease, schema, generation, incarnation, mark, keyed, parked };
        if keying == Keying::Early {
            builder.make_keys(Scope::Own, |_| true).await?;
        }
        Ok(builder)
    }

    /// Gives the lease back. The end of the connection does so, too, but only when the server notices it.
    pub(crate) async fn release(self) -> Result<(), StoreError> {
        let back = self.lease.give_back(&self.store.client).await;
        back.map_err(StoreError::at("giving back the lease of a rebuild"))
    }

    /// Executes statements in a transaction of their own.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), StoreError> {
        self.store.execute_under(&self.lease, sql).await
    }

    /// Begins a transaction that writes.
    pub(super) async fn begin_transaction(&self) -> Result<(), StoreError> {
        self.store.begin_under(&self.lease).await
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

    /// Makes all keys that are still missing, and what only queries need.
    pub(crate) async fn index(&mut self) -> Result<(), StoreError> {
        self.make_keys(Scope::Own, |_| true).await?;
        let layout = Layout(&*self.projector);
        self.execute(&layout.create_indexes(&self.schema)).await?;
        self.execute(&layout.analyze(&self.schema)).await
    }

    async fn make_keys(
        &mut self,
        scope: Scope,
        is_needed: impl Fn(&Table) -> bool,
    ) -> Result<(), StoreError> {
        let missing = self.projector.tables().iter().map(TableDef::table);
        for table in missing.filter(|table| is_needed(table)) {
            if self.keyed.insert(table.name) {
                let sql = table.create_key(&self.schema);
                // A transaction that is open has asked for the lease, or writes nothing that stays.
                match scope {
                    Scope::Own => self.execute(&sql).await?,
                    Scope::Open => self.store.execute(&sql).await?,
                }
            }
        }
        Ok(())
    }

    /// Folds pages until there are no more.
    pub(super) async fn fold_all(
        mut self,
        mut pages: mpsc::Receiver<Arc<[Item]>>,
    ) -> Result<Self, RebuildError> {
        while let Some(items) = pages.recv().await {
            self.fold(&items, Scope::Own).await?;
        }
        Ok(self)
    }

    /// Folds a page, and brings parked events back where an operator once decided so.
    pub(crate) async fn fold(&mut self, items: &[Item], scope: Scope) -> Result<(), StoreError> {
        let mut rest = items;
        while !rest.is_empty() {
            let decision = self.next_decision(rest);
            let (now, behind) = rest.split_at(decision.as_ref().map_or(rest.len(), |(index, _)| *index));
            self.fold_part(now, scope).await?;
            let (Some((_, decision)), Some((item, behind))) = (decision, behind.split_first()) else { break };
            let mut again = self.bring_back(&decision);
            again.push(item.clone());
            self.fold_part(&again, scope).await?;
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

    async fn fold_part(&mut self, items: &[Item], scope: Scope) -> Result<(), StoreError> {
        if items.is_empty() {
            return Ok(());
        }
        let streams: HashSet<StreamId> = self.parked.iter().map(|(parked, _)| parked.stream).collect();
        let mut outcome = self.outcome(items, &streams, scope, true).await?;
        if let Err(error) = self.write(&mut outcome.pending, scope).await {
            if !error.is_unique_violation() {
                return Err(error);
            }
            // A row that was declared as new is there already: fold again, looking at every key, to find whose event.
            self.store.execute(if scope == Scope::Own { "ROLLBACK" } else { "ROLLBACK TO part" }).await?;
            outcome = self.outcome(items, &streams, scope, false).await?;
            self.write(&mut outcome.pending, scope).await?;
        }
        for one in outcome.parked {
            let item = items.iter().find(|item| item.position() == one.position).cloned();
            self.parked.extend(item.map(|item| (one, item)));
        }
        Ok(())
    }

    /// Folds without writing; tables whose rows are sought get their keys.
    async fn outcome(
        &mut self,
        items: &[Item],
        parked: &HashSet<StreamId>,
        scope: Scope,
        trusts_fresh: bool,
    ) -> Result<Outcome, StoreError> {
        let projector = Arc::clone(&self.projector);
        let mut folding = Folding::begin(&*projector, items, parked, trusts_fresh);
        let sought = folding.sought();
        self.make_keys(scope, |table| sought.contains(&table.name)).await?;
        folding.load(&mut self.store, &self.schema).await?;
        Ok(folding.apply())
    }

    async fn write(&mut self, pending: &mut [Pending], scope: Scope) -> Result<(), StoreError> {
        if pending.is_empty() {
            return Ok(());
        }
        let sought: HashSet<_> = pending.iter().filter(|one| one.seeks()).map(|one| one.table.name).collect();
        self.make_keys(scope, |table| sought.contains(&table.name)).await?;
        match scope {
            Scope::Own => self.begin_transaction().await?,
            Scope::Open => self.store.execute("SAVEPOINT part").await?,
        }
        self.store.write(&self.schema, pending, Mode::Build).await?;
        self.store.execute(if scope == Scope::Own { "COMMIT" } else { "RELEASE part" }).await
    }
}

/// Name of the lease of whoever rebuilds or verifies a projection.
pub(crate) fn lease_name(projection: &str) -> String {
    format!("rebuild/{projection}")
}

/// The number of a generation that was none yet, under the lease that all need who make one, whatever release they are of.
/// Removes schemas of rebuilds that were broken off.
pub(crate) async fn next_generation(
    leases: &Leases,
    store: &Store,
    name: &'static str,
) -> Result<(Lease, i32), RebuildError> {
    let taken = leases.take(&store.client, &lease_name(name)).await;
    let lease = match taken.map_err(StoreError::at("taking the lease of a rebuild"))? {
        Taken::Ours(lease) => lease,
        Taken::Theirs(holder) => return Err(RebuildError::Busy { projection: name, holder }),
    };
    let live = Checkpoint::of_every_release(&store.client, name).await?;
    let live: Vec<i32> = live.iter().map(|checkpoint| checkpoint.generation).collect();
    let highest = remove_leftovers(store, &lease, name, &live).await?;
    let generation = live.into_iter().fold(highest, i32::max).saturating_add(1);
    Ok((lease, generation))
}

/// Removes schemas that no checkpoint is of; answers the highest generation seen.
async fn remove_leftovers(store: &Store, lease: &Lease, name: &str, live: &[i32]) -> Result<i32, StoreError> {
    const SQL: &str = "SELECT nspname::text, substring(nspname FROM '[0-9]+$')::int FROM pg_namespace \
         WHERE nspname ~ ('^rm_' || $1 || '_[0-9]+$')";
    let failed = || StoreError::at("looking for earlier generations");
    let mut highest = 0;
    for row in store.client.query(SQL, &[&name]).await.map_err(failed())? {
        let schema: String = row.try_get(0).map_err(failed())?;
        let generation: i32 = row.try_get(1).map_err(failed())?;
        highest = highest.max(generation);
        if !live.contains(&generation) {
            store.execute_under(lease, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await?;
        }
    }
    Ok(highest)
}
