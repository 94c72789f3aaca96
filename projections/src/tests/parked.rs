//! Poison events: parked, never skipped.

use bytes::Bytes;
use domain::operations::commands::{DiscardParkedStream, RetryParkedStream};
use domain::operations::{Operations, OperationsId};
use domain::{
    Actor, Aggregate, Category, CommandId, Context, CorrelationId, Digest, EventGroup, EventId, Timestamp,
};
use eventstore_schema::{
    CommandRef, Expected, KeyRef, NewEvent, Origin, StreamAppend, StreamId, Tenant, catalogue,
};

use super::*;
use crate::{ParkedStream, parked, verify};

fn append(stream: StreamId, event_type: &'static str, payload: Bytes, id: [u8; 16]) -> StreamAppend {
    let origin = Origin {
        organization_id: None,
        actor: Actor::OPERATOR,
        device_id: None,
        correlation_id: CorrelationId::from_bytes(id),
        causation_id: None,
        recorded_at: Timestamp::from_micros(1),
    };
    let event = NewEvent {
        event_id: EventId::from_bytes(id),
        event_type,
        version: 1,
        payload,
        key_ref: None,
        sealed: None,
    };
    let command = CommandRef { id: CommandId::from_bytes(id), fingerprint: Digest::from_bytes([0; 32]) };
    let (expected, events, conditions) = (Expected::Any, vec![event], Vec::new());
    StreamAppend { stream, expected, command, origin, events, conditions }
}

/// Appends an event that no release can decode to the first account's stream.
async fn poison(bench: &Bench) -> (StreamId, Position) {
    let stream = StreamId::new(Category::Account, *bench.world.accounts().first().expect("an account"));
    let poison = append(stream, "account.from_the_future", Bytes::from_static(b"?"), [0xee; 16]);
    let appended = bench.log.append(poison).await.expect("appended");
    (stream, appended.position)
}

/// Decides about a parked stream as an operator does.
async fn decide(bench: &Bench, stream: &ParkedStream, discards: bool, id: [u8; 16]) -> Position {
    let command = stream.command();
    let operator = Context::new(Timestamp::from_micros(2), Actor::OPERATOR);
    let drafts = if discards {
        Operations::default().decide(&DiscardParkedStream(command.clone()).into(), &operator)
    } else {
        Operations::default().decide(&RetryParkedStream(command.clone()).into(), &operator)
    };
    let drafts = drafts.expect("decided");
    let event = &drafts.first().expect("an event").event;
    let payload = catalogue::encode(event).expect("encoded");
    let operations = StreamId::new(Category::Operations, OperationsId::of(&command.projection));
    let appended = bench.log.append(append(operations, event.name(), payload, id)).await.expect("appended");
    appended.position
}

#[tokio::test]
async fn an_event_that_cannot_be_decoded_parks_its_stream_and_nothing_else() {
    let mut bench = Bench::new(21).await;
    let projections = bench.start().await;
    bench.world.live(40).await;
    let (stream, position) = poison(&bench).await;
    // More of the same stream queues behind.
    let profile = domain::account::ProfileChanged { account_id: stream.id.into() };
    let payload = catalogue::encode(&domain::Event::from(profile)).expect("encoded");
    let behind = append(stream, "account.profile_changed", payload, [0xef; 16]);
    let behind = bench.log.append(behind).await.expect("appended").position;
    projections.wait_for_all(behind, PATIENCE).await.expect("all go on");

    let waiting = parked(&bench.config()).await.expect("what is parked");
    let accounts = waiting.iter().find(|one| one.projection == "accounts").expect("parked for the accounts");
    assert_eq!((accounts.stream.as_str(), accounts.position), (stream.to_string().as_str(), position));
    assert_eq!((accounts.events, accounts.attempts), (2, 1));
    assert!(accounts.reason.contains("account.from_the_future"), "{}", accounts.reason);

    // A retry finds the same, a discard lets the rest of the stream go on.
    let retried = decide(&bench, accounts, false, [0xf1; 16]).await;
    projections.wait_for_all(retried, PATIENCE).await.expect("retried");
    let still = parked(&bench.config()).await.expect("what is parked");
    assert!(still.contains(&ParkedStream { attempts: 2, ..accounts.clone() }), "{still:#?}");
    let discarded = decide(&bench, accounts, true, [0xf2; 16]).await;
    projections.wait_for_all(discarded, PATIENCE).await.expect("discarded");
    let after = parked(&bench.config()).await.expect("what is parked");
    let again = after.iter().find(|one| one.projection == "accounts").expect("the next one");
    // The profile lacks its sealed part, so it is parked by itself now.
    assert_eq!((again.position, again.events, again.attempts), (behind, 1, 1));
    let gone = decide(&bench, again, true, [0xf3; 16]).await;
    projections.wait_for_all(gone, PATIENCE).await.expect("discarded");
    let left = parked(&bench.config()).await.expect("what is parked");
    assert!(left.iter().all(|one| one.projection != "accounts"), "{left:#?}");

    let accounts = registry().into_iter().filter(|one| one.name() == "accounts").collect();
    for verified in verify(&bench.config(), bench.log(), accounts, &|_| {}).await.expect("verified") {
        assert!(verified.is_equal(), "{verified:#?}");
    }
}

#[tokio::test]
async fn a_row_that_is_added_twice_parks_the_stream_that_does_it() {
    let mut bench = Bench::new(23).await;
    bench.world.live(40).await;
    let account_id = *bench.world.accounts().first().expect("an account");
    let registered = domain::account::AccountRegistered { account_id };
    let payload = catalogue::encode(&domain::Event::from(registered)).expect("encoded");
    let stream = StreamId::new(Category::Account, domain::AccountId::from_bytes([0xaa; 16]));
    let mut twice = append(stream, "account.registered", payload, [0xf4; 16]);
    for event in &mut twice.events {
        event.key_ref = Some(KeyRef { tenant: Tenant::Platform, subject: account_id.into(), period: None });
        event.sealed = Some(Bytes::from_static(b"sealed"));
    }
    let position = bench.log.append(twice).await.expect("appended").position;
    for round in 0..2 {
        if round == 0 {
            let projections = bench.start().await;
            projections.wait_for_all(position, PATIENCE).await.expect("all go on");
        } else {
            crate::rebuild(&bench.config(), bench.log(), registry(), &|_| {}).await.expect("rebuilt");
        }
        let waiting = parked(&bench.config()).await.expect("what is parked");
        let [one] = waiting.as_slice() else { panic!("one is parked: {waiting:#?}") };
        assert_eq!((one.projection.as_str(), one.position), ("accounts", position), "round {round}");
        assert!(one.reason.contains("already"), "{}", one.reason);
    }
}

#[tokio::test]
async fn what_is_parked_survives_restarts_and_rebuilds() {
    let mut bench = Bench::new(22).await;
    bench.world.live(40).await;
    let (_, position) = poison(&bench).await;
    let projections = bench.start().await;
    projections.wait_for_all(position, PATIENCE).await.expect("all follow");
    drop(projections);
    let before = parked(&bench.config()).await.expect("what is parked");
    assert_eq!(before.len(), registry().len());
    // What waits is in neither the tables nor what a rebuild gives: that they agree is not all.
    for one in verify(&bench.config(), bench.log(), registry(), &|_| {}).await.expect("verified") {
        assert!(one.tables.iter().all(|table| table.live == table.rebuilt), "{one:#?}");
        let parked = before.iter().filter(|parked| parked.projection == one.projection);
        assert_eq!(one.parked, parked.cloned().collect::<Vec<_>>());
        assert_eq!(one.is_equal(), one.projection == crate::SHARED);
    }
    crate::rebuild(&bench.config(), bench.log(), registry(), &|_| {}).await.expect("rebuilt");
    // A rebuild is one more attempt; since when it waits stays.
    let tried = |one: &ParkedStream| ParkedStream { attempts: one.attempts + 1, ..one.clone() };
    let after = parked(&bench.config()).await.expect("what is parked");
    assert_eq!(after, before.iter().map(tried).collect::<Vec<_>>());
    let status = crate::status(&bench.config(), &*bench.log).await.expect("a status");
    assert!(status.iter().all(|one| (one.parked_streams, one.parked_events) == (1, 1)), "{status:#?}");
}
