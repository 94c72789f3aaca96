//! Logs are copied between engines, back and forth.

use std::collections::BTreeSet;
use std::sync::Arc;

use eventstore_schema::copy::{CopyError, copy};
use eventstore_schema::memory::{Fault, MemoryEventLog};
use eventstore_schema::{EventLog, Expected, Position, ReadFilter, RecordedEvent, Revision, StreamAppend};

use crate::engine::Engine;
use crate::{given, postgres};

async fn all(log: &dyn EventLog) -> Vec<RecordedEvent> {
    log.read_all(None, 10_000, &ReadFilter::all()).await.unwrap()
}

/// Without positions, which are each engine's own.
fn contents(events: Vec<RecordedEvent>) -> Vec<RecordedEvent> {
    events.into_iter().map(|event| RecordedEvent { position: Position::new(0), ..event }).collect()
}

/// Some streams that grow in turns, by commands of one to three events.
async fn fill(log: &dyn EventLog) -> Vec<StreamAppend> {
    let streams: Vec<_> = (0..5).map(|_| given::stream()).collect();
    let mut lengths = [0_u64; 5];
    let mut appends = Vec::new();
    for n in 0..60 {
        let (which, count) = (n % 5, n % 3 + 1);
        let expected = Expected::after(lengths[which].checked_sub(1).map(Revision::new));
        let append = StreamAppend { expected, ..given::append(streams[which], count) };
        log.append(append.clone()).await.unwrap();
        lengths[which] += count as u64;
        appends.push(append);
    }
    appends
}

async fn back_and_forth(there: Arc<dyn EventLog>, back: Arc<dyn EventLog>) {
    let original = MemoryEventLog::new();
    let appends = fill(&original).await;
    let events = all(&original).await;
    let marks: BTreeSet<Position> = events.iter().step_by(7).map(|event| event.position).collect();

    let copied = copy(&original, &*there, &marks, &|_| {}).await.unwrap();
    assert_eq!(copied.events, events.len() as u64);
    assert_eq!(contents(all(&*there).await), contents(events.clone()));
    for event in events.iter().step_by(7) {
        let moved = there.event_at(copied.moved[&event.position]).await.unwrap().expect("the event");
        assert_eq!(moved.hash, event.hash);
    }
    // Commands are recognised there as they were here.
    for append in appends.iter().rev().take(5) {
        assert!(there.append(append.clone()).await.unwrap().replayed);
    }
    // What is written meanwhile is copied by going on.
    original.append(given::append(given::stream(), 2)).await.unwrap();
    copy(&original, &*there, &BTreeSet::new(), &|_| {}).await.unwrap();
    copy(&*there, &*back, &BTreeSet::new(), &|_| {}).await.unwrap();
    assert_eq!(contents(all(&*back).await), contents(all(&original).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_copied_to_postgres_and_back() {
    let postgres = postgres::Postgres::create().await;
    back_and_forth(postgres.open().await, Arc::new(MemoryEventLog::new())).await;
}

#[cfg(feature = "eventstoredb")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_copied_to_eventstoredb_and_to_postgres() {
    let (esdb, postgres) = (crate::esdb::Esdb::create().await, postgres::Postgres::create().await);
    back_and_forth(esdb.open().await, postgres.open().await).await;
}

#[tokio::test]
async fn a_copy_that_was_broken_off_goes_on() {
    let (from, to) = (MemoryEventLog::new(), MemoryEventLog::new());
    let appends = fill(&from).await;
    for append in &appends[..7] {
        to.append(append.clone()).await.unwrap();
    }
    to.faults().on_next_appends([Fault::FailAfter, Fault::FailAfter]);
    copy(&from, &to, &BTreeSet::new(), &|_| {}).await.unwrap();
    assert_eq!(contents(all(&to).await), contents(all(&from).await));
}

#[tokio::test]
async fn the_order_is_kept_though_answers_are_lost() {
    let (from, to) = (MemoryEventLog::new(), MemoryEventLog::new());
    fill(&from).await;
    to.faults().on_next_appends([Fault::FailAfter, Fault::FailBefore, Fault::Overloaded]);
    copy(&from, &to, &BTreeSet::new(), &|_| {}).await.unwrap();
    assert_eq!(contents(all(&to).await), contents(all(&from).await));
}

#[tokio::test]
async fn a_log_of_something_else_is_left_alone() {
    let (from, to) = (MemoryEventLog::new(), MemoryEventLog::new());
    fill(&from).await;
    fill(&to).await;
    let before = all(&to).await;
    let error = copy(&from, &to, &BTreeSet::new(), &|_| {}).await.unwrap_err();
    assert!(matches!(error, CopyError::Differs { .. }), "{error}");
    assert_eq!(all(&to).await, before);
    let empty = MemoryEventLog::new();
    assert!(matches!(copy(&empty, &to, &BTreeSet::new(), &|_| {}).await, Err(CopyError::Differs { .. })));
    assert_eq!(copy(&empty, &empty, &BTreeSet::new(), &|_| {}).await.unwrap().events, 0);
}
