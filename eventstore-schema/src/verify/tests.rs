use std::sync::Mutex;

use bytes::Bytes;
use domain::session::{SessionEvent, SessionRefreshed, SessionStarted};
use domain::{AccountId, Actor, Category, CorrelationId, Digest, EventGroup, EventId, SessionId, Timestamp};

use super::*;
use crate::codec;
use crate::envelope::{CommandRef, Origin};
use crate::log::{Expected, Snapshot, StreamAppend};
use crate::memory::MemoryEventLog;

const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);

fn session(number: u8) -> SessionId {
    SessionId::from_bytes([number; 16])
}

fn stream(number: u8) -> StreamId {
    StreamId::new(Category::Session, session(number))
}

fn started(number: u8) -> SessionEvent {
    let (refresh_hash, expires_at) = (Digest::from_bytes([0; 32]), Timestamp::from_micros(9));
    let (session_id, account_id) = (session(number), ACCOUNT);
    let (device_id, password_revision) = (None, 1);
    SessionStarted { session_id, account_id, device_id, refresh_hash, expires_at, password_revision }.into()
}

fn refreshed(number: u8, rotation: u32) -> SessionEvent {
    let (refresh_hash, expires_at) = (Digest::from_bytes([7; 32]), Timestamp::from_micros(9));
    let (session_id, account_id, signed_by) = (session(number), ACCOUNT, None);
    SessionRefreshed { session_id, account_id, rotation, refresh_hash, expires_at, signed_by }.into()
}

async fn record(log: &MemoryEventLog, to: StreamId, event: &SessionEvent) -> Position {
    append(log, to, event.name(), catalogue::encode(event).unwrap()).await
}

async fn append(log: &MemoryEventLog, to: StreamId, event_type: &'static str, payload: Bytes) -> Position {
    let count = log.read_all(None, 1_000, &ReadFilter::all()).await.unwrap().len() as u128 + 1;
    let origin = Origin {
        organization_id: None,
        actor: Actor::SYSTEM,
        device_id: None,
        correlation_id: CorrelationId::from_bytes([3; 16]),
        causation_id: None,
        recorded_at: Timestamp::from_micros(5),
    };
    let event_id = EventId::from_bytes(count.to_be_bytes());
    let event = NewEvent { event_id, event_type, version: 1, payload, key_ref: None, sealed: None };
    let id = CommandId::from_bytes(count.to_be_bytes());
    let command = CommandRef { id, fingerprint: Digest::from_bytes([0; 32]) };
    let (expected, events, conditions) = (Expected::Any, vec![event], Vec::new());
    let append = StreamAppend { stream: to, expected, command, origin, events, conditions };
    log.append(append).await.unwrap().position
}

async fn found(log: &MemoryEventLog, options: Options) -> (Verified, Vec<Finding>) {
    let findings = Mutex::new(Vec::new());
    let verified =
        verify(log, options, &mut |finding| findings.lock().unwrap().push(finding), &|_, _| {}).await;
    let (verified, findings) = (verified.unwrap(), findings.into_inner().unwrap());
    assert_eq!(verified.findings, findings.len() as u64);
    (verified, findings)
}

const RULES: Options = Options { since: None, rules: true };

#[tokio::test]
async fn an_untouched_log_has_nothing_to_find_and_says_where_it_ends() {
    let log = MemoryEventLog::new();
    let (verified, findings) = found(&log, RULES).await;
    assert_eq!((verified.events, verified.head_hash, findings), (0, None, Vec::new()));
    record(&log, stream(1), &started(1)).await;
    record(&log, stream(2), &started(2)).await;
    let last = record(&log, stream(1), &refreshed(1, 1)).await;
    let (verified, findings) = found(&log, RULES).await;
    assert_eq!(findings, Vec::new());
    assert_eq!((verified.events, verified.streams, verified.head.position), (3, 2, Some(last)));
    let end = log.event_at(last).await.unwrap().unwrap();
    assert_eq!(verified.head_hash, Some(end.hash));
}

#[tokio::test]
async fn what_breaks_a_rule_is_found_by_replaying_only() {
    let log = MemoryEventLog::new();
    record(&log, stream(1), &started(1)).await;
    let position = record(&log, stream(1), &refreshed(1, 5)).await;
    assert_eq!(found(&log, Options::default()).await.1, Vec::new());
    let (_, findings) = found(&log, RULES).await;
    let [one] = findings.as_slice() else { panic!("{findings:#?}") };
    assert_eq!((one.kind, one.position, one.stream), (Kind::Rule, Some(position), Some(stream(1))));
    assert_eq!(one.what, "session.refreshed breaks number: expected 1, found 5");
}

#[tokio::test]
async fn an_event_that_belongs_elsewhere_or_is_none_of_ours_is_found() {
    let log = MemoryEventLog::new();
    record(&log, stream(1), &started(1)).await;
    let elsewhere = record(&log, stream(1), &refreshed(2, 1)).await;
    let unknown = append(&log, stream(1), "session.from_the_future", Bytes::from_static(b"?")).await;
    let garbled = append(&log, stream(1), "session.refreshed", Bytes::from_static(b"?")).await;
    let (_, findings) = found(&log, Options::default()).await;
    let kinds: Vec<_> = findings.iter().map(|one| (one.position, one.kind)).collect();
    assert_eq!(
        kinds,
        [
            (Some(elsewhere), Kind::Stream),
            (Some(unknown), Kind::Undecodable),
            (Some(garbled), Kind::Undecodable)
        ]
    );
    assert!(findings[0].what.ends_with(&stream(2).to_string()), "{findings:#?}");
}

#[tokio::test]
async fn streams_that_go_on_behind_a_position_are_replayed_once_from_their_start() {
    let log = MemoryEventLog::new();
    record(&log, stream(1), &started(1)).await;
    record(&log, stream(2), &started(2)).await;
    let since = Some(record(&log, stream(1), &refreshed(1, 1)).await);
    record(&log, stream(1), &refreshed(1, 2)).await;
    record(&log, stream(3), &started(3)).await;
    record(&log, stream(1), &refreshed(1, 3)).await;
    let (verified, findings) = found(&log, Options { since, rules: true }).await;
    assert_eq!(findings, Vec::new());
    assert_eq!((verified.events, verified.streams), (3, 2));
}

#[tokio::test]
async fn a_snapshot_that_the_events_do_not_make_is_found() {
    let log = MemoryEventLog::new();
    record(&log, stream(1), &started(1)).await;
    let mut state = Session::default();
    state.evolve(&started(1), Timestamp::from_micros(5));
    let store = async |state: &Session, revision: u64| {
        let (state_version, state) = (Session::STATE_VERSION, codec::encode(state).unwrap());
        let revision = Revision::new(revision);
        let recorded = log.read_stream(stream(1), revision, 1).await.unwrap();
        let record_hash = recorded.first().map_or(Digest::from_bytes([7; 32]), |event| event.hash);
        let snapshot = Snapshot { stream: stream(1), revision, record_hash, state_version, state };
        log.store_snapshot(snapshot).await.unwrap();
    };
    store(&state, 0).await;
    assert_eq!(found(&log, RULES).await.1, Vec::new());
    record(&log, stream(1), &refreshed(1, 1)).await;
    // Of the state before.
    store(&state, 1).await;
    let (_, findings) = found(&log, RULES).await;
    assert_eq!(findings.iter().map(|one| one.kind).collect::<Vec<_>>(), [Kind::Snapshot]);
    store(&state, 7).await;
    let (_, findings) = found(&log, RULES).await;
    assert_eq!(
        findings.iter().map(|one| one.what.as_str()).collect::<Vec<_>>(),
        ["a snapshot of more than the stream holds"]
    );
}

#[tokio::test]
async fn what_was_forgotten_is_looked_up() {
    let log = MemoryEventLog::new();
    let mut places = Vec::new();
    for rotation in 0..4 {
        for number in 1..=6 {
            let event = if rotation == 0 { started(number) } else { refreshed(number, rotation) };
            let position = record(&log, stream(number), &event).await;
            places.push((position, stream(number), Revision::new(rotation.into())));
        }
    }
    let mut chain = Chain::remembering(2);
    for place in &places {
        let link = chain.link(&log, None, *place).await.unwrap();
        assert_eq!((link.broken, link.is_first), (None, place.2 == Revision::new(0)), "{place:?}");
    }
    // The same once more: nothing of it follows what was met last, remembered or not.
    for place in &places {
        let (position, stream, revision) = *place;
        let late = (Position::new(position.get() + 10_000), stream, revision);
        let link = chain.link(&log, None, late).await.unwrap();
        assert_eq!(link.broken.is_some(), revision == Revision::new(0), "{place:?}: {link:?}");
    }
    // A gap, a double, a step back.
    for wrong in [3, 0, 1] {
        let mut chain = Chain::remembering(100);
        chain.link(&log, None, places[0]).await.unwrap();
        chain.link(&log, None, places[6]).await.unwrap();
        let link = chain.link(&log, None, (places[23].0, stream(1), Revision::new(wrong))).await.unwrap();
        assert!(link.broken.is_some(), "{wrong}");
    }
}
