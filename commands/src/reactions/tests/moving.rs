//! The log moves to another engine, and reactions with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use eventstore_schema::memory::MemoryEventLog;
use eventstore_schema::{EventLog, Incarnation, copy};

use super::running::{Recorder, change, run, stage};
use super::watch::*;
use crate::limits::REACTION_PARKED_REST_SECONDS_MIN;
use crate::reactions::{ReactionError, checkpoints, relocate};

async fn incarnation(log: &dyn EventLog) -> Incarnation {
    log.head().await.unwrap().incarnation
}

#[tokio::test]
async fn reactions_follow_a_log_that_was_copied_and_no_other() {
    let (stage, id) = stage().await;
    let deferred = || Err(ReactionError::Deferred("later".to_owned()));
    let recorder =
        Recorder::new(move |revision, times| if revision == 3 && times == 1 { deferred() } else { Ok(()) });
    let (reactions, running) = run(&stage, &recorder);
    settled(&stage, &reactions).await;
    running.stop().await;
    // The fourth waits behind the third, which was set aside.
    assert_eq!(recorder.seen(), [2, 3]);
    change(&stage, id).await;

    let old = Arc::clone(&stage.parts.log);
    let new: Arc<dyn EventLog> = Arc::new(MemoryEventLog::new());
    let (followed, marks) = checkpoints(&stage.parts.pool).await.unwrap();
    assert_eq!((followed, marks.len()), (Some(incarnation(&*old).await), 2));
    let copied = copy::copy(&*old, &*new, &marks, &|_| {}).await.unwrap();
    let mut stage = stage;
    stage.parts.log = Arc::clone(&new);

    // Before its checkpoint is moved a reaction does not touch the other log.
    let (_, running) = run(&stage, &recorder);
    tokio::time::timeout(crate::limits::REACTION_LEAD_POLL, std::future::pending::<()>()).await.unwrap_err();
    running.stop().await;
    assert_eq!(recorder.seen(), [2, 3]);

    let (pool, from, to) = (&stage.parts.pool, incarnation(&*old).await, incarnation(&*new).await);
    let stranger = Incarnation(uuid::Uuid::from_bytes([9; 16]));
    let error = relocate(pool, stranger, to, &copied.moved).await.unwrap_err();
    assert!(error.to_string().contains("another log"), "{error}");
    let error = relocate(pool, from, to, &BTreeMap::new()).await.unwrap_err();
    assert!(error.to_string().contains("stop every server"), "{error}");
    assert!(relocate(pool, from, to, &copied.moved).await.unwrap());
    assert!(!relocate(pool, from, to, &copied.moved).await.unwrap(), "once is enough");

    let (reactions, running) = run(&stage, &recorder);
    settled(&stage, &reactions).await;
    stage.parts.clock.advance_seconds(i64::from(REACTION_PARKED_REST_SECONDS_MIN));
    until("all is answered", async || recorder.seen().len() == 5).await;
    running.stop().await;
    assert_eq!(recorder.seen(), [2, 3, 3, 4, 5], "it goes on where it was");
}
