//! The switch from one generation to the next: one transaction.

use std::time::Duration;

use eventstore_schema::{EventLog, Head, ReadFilter};
use tokio_postgres::error::SqlState;

use super::builder::Scope;
use super::{Builder, PAGE_EVENTS, RebuildError};
use crate::batch::{clear_parked, store_parked};
use crate::checkpoint::{Checkpoint, Layout};
use crate::projector::Item;
use crate::store::StoreError;

/// How long the switch may wait for queries that hold the views. Queries that come meanwhile wait behind it.
const LOCK_TIMEOUT: &str = "200ms";
/// How often it is tried.
const ATTEMPTS_MAX: u32 = 100;
/// Time between two tries.
const RETRY_DELAY: Duration = Duration::from_millis(300);

/// Switches the views, checkpoint and parked events to the builder's, then drops the tables before them.
///
/// The checkpoint's row lock holds the leader off, so nothing is folded twice or left out: the builder catches up with
/// the leader inside the transaction. A leader whose checkpoint was taken over is refused at its next commit and starts over.
pub(super) async fn switch(mut builder: Builder, log: &dyn EventLog) -> Result<(), RebuildError> {
    for attempt in 1..=ATTEMPTS_MAX {
        catch_up(&mut builder, log).await?;
        let memory = builder.memory();
        match try_switch(&mut builder, log).await {
            Ok(before) => {
                drop_generation(&builder, before).await;
                return Ok(builder.release().await?);
            }
            Err(RebuildError::Store(error)) if is_lock_timeout(&error) && attempt < ATTEMPTS_MAX => {
                builder.store.execute("ROLLBACK").await?;
                builder.restore(memory);
                tokio::time::sleep(RETRY_DELAY).await;
            }
            Err(error) => return Err(error),
        }
    }
    Err(RebuildError::SwitchTimeout { projection: builder.name() })
}

fn is_lock_timeout(error: &StoreError) -> bool {
    match error {
        StoreError::Postgres { source, .. } => {
            matches!(source.code(), Some(&SqlState::LOCK_NOT_AVAILABLE | &SqlState::T_R_DEADLOCK_DETECTED))
        }
        StoreError::Touched { .. } | StoreError::Shape { .. } | StoreError::Fenced { .. } => false,
    }
}

/// Answers the generation that was live before.
async fn try_switch(builder: &mut Builder, log: &dyn EventLog) -> Result<Option<i32>, RebuildError> {
    let name = builder.name();
    builder.begin_transaction().await?;
    // From here on what is written has to be on disk when the transaction ends, with all before it.
    builder
        .store
        .execute(&format!("SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        .await?;
    let live = Checkpoint::lock(&builder.store.client, &*builder.projector).await?;
    fold_up_to(builder, log, live.as_ref()).await?;
    builder.store.execute(&Layout(&*builder.projector).publish(&builder.schema)).await?;
    builder.checkpoint().put(&builder.store.client, name).await?;
    let parked = builder.parked();
    clear_parked(&builder.store.client, &*builder.projector, None, &parked).await?;
    store_parked(&builder.store.client, &*builder.projector, &parked).await?;
    builder.store.execute("COMMIT").await?;
    Ok(live.map(|live| live.generation))
}

/// Folds the rest outside the transaction, so that it stays short.
async fn catch_up(builder: &mut Builder, log: &dyn EventLog) -> Result<(), RebuildError> {
    loop {
        let page = log.read_all(builder.position(), PAGE_EVENTS, &ReadFilter::all()).await?;
        if page.is_empty() {
            return Ok(());
        }
        let items: Vec<_> = page.into_iter().map(Item::new).collect();
        builder.fold(&items, Scope::Own).await?;
    }
}

/// Readers must not be taken back in time: folds until the live tables' position, where they are of the same log.
async fn fold_up_to(
    builder: &mut Builder,
    log: &dyn EventLog,
    live: Option<&Checkpoint>,
) -> Result<(), RebuildError> {
    let Head { incarnation, .. } = log.head().await?;
    let Some(live) = live.filter(|live| live.incarnation == incarnation) else { return Ok(()) };
    while builder.position() < live.position() {
        let page = log.read_all(builder.position(), PAGE_EVENTS, &ReadFilter::all()).await?;
        if page.is_empty() {
            // The live tables are of a log that had more than this one: what is there now counts.
            return Ok(());
        }
        let items: Vec<_> = page.into_iter().map(Item::new).collect();
        builder.fold(&items, Scope::Open).await?;
    }
    Ok(())
}

/// What cannot be dropped now, because a query still reads it, is removed by the next rebuild.
async fn drop_generation(builder: &Builder, before: Option<i32>) {
    let Some(generation) = before else { return };
    let schema = Layout(&*builder.projector).schema(generation);
    let sql = format!("SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; DROP SCHEMA IF EXISTS {schema} CASCADE");
    for _ in 0..ATTEMPTS_MAX {
        match builder.execute(&sql).await {
            Ok(()) => return,
            Err(error) => {
                tracing::debug!(%error, schema, "an earlier generation is still being read");
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
    }
}
