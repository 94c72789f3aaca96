//! Commands on condition that other streams end where they were seen to: on record, or undecided.

use std::time::Duration;

use domain::organization::Organization;
use domain::{AccountId, Category, CommandId, Digest, EventId};
use eventstore_schema::memory::Fault;
use eventstore_schema::{
    CommandRef, Condition, EventLog, Expected, NewEvent, ReadFilter, Revision, StreamAppend, StreamId,
};

use super::world::*;
use crate::executor::{ExecuteError, Executor};
use crate::request::Request;

/// A stream that has no events yet.
fn empty() -> Condition {
    let stream = StreamId::new(Category::Account, AccountId::from_bytes([9; 16]));
    Condition { stream, last: None }
}

async fn on(executor: &Executor, request: &Request, condition: Condition) -> Answer {
    executor.execute_on::<Organization>(ORGANIZATION, rename(), request, vec![condition]).await
}

fn undecided(answer: &Answer) -> bool {
    matches!(answer, Err(ExecuteError::Undecided))
}

#[tokio::test]
async fn what_may_be_out_of_date_refuses_nothing_and_records_nothing() {
    let (world, executor) = World::founded().await;
    let before = world.events().await.len();
    let stale = Condition { last: Some(Revision::new(3)), ..empty() };
    let request = world.request(OWNER);
    assert!(undecided(&on(&executor, &request, stale).await));
    assert!(undecided(&on(&executor, &world.request(STRANGER), empty()).await), "a rule would refuse it");
    assert_eq!(world.events().await.len(), before);
    assert!(!on(&executor, &request, empty()).await.unwrap().replayed);
    assert!(on(&executor, &request, empty()).await.unwrap().replayed);
    assert!(undecided(&on(&executor, &request, stale).await));
    assert_eq!(world.events().await.len(), before + 1);
}

#[tokio::test]
async fn what_was_recorded_before_its_condition_failed_is_answered_as_recorded() {
    let (world, executor) = World::founded().await;
    let before = world.events().await.len();
    world.log.faults().on_next_appends([Fault::FailAfter]);
    let request = world.request(OWNER);
    let going_on = async {
        while world.events().await.len() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let first = world.log.read_all(None, 1, &ReadFilter::all()).await.unwrap().remove(0);
        let append = StreamAppend {
            stream: empty().stream,
            expected: Expected::NoStream,
            command: CommandRef {
                id: CommandId::from_bytes([8; 16]),
                fingerprint: Digest::from_bytes([0; 32]),
            },
            origin: first.origin,
            events: vec![NewEvent {
                event_id: EventId::from_bytes([8; 16]),
                event_type: "account.email_confirmed",
                version: 1,
                payload: first.payload,
                key_ref: None,
                sealed: None,
            }],
            conditions: Vec::new(),
        };
        world.log.append(append).await.unwrap();
    };
    let (answer, ()) = tokio::join!(on(&executor, &request, empty()), going_on);
    assert_eq!(answer.unwrap().revision, Revision::new(before as u64));
    assert_eq!(world.events().await.len(), before + 1);
}
