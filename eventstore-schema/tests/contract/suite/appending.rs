//! G1, G2, G4, G7 and the edges of an append.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use domain::{
    Actor, ActorKind, Category, ConversationId, DeviceId, Digest, EventId, OrganizationId, Period, SubjectId,
};
use eventstore_schema::{
    AppendError, Appended, CommandRef, Condition, Expected, KeyRef, NewEvent, Origin, Revision, StreamAppend,
    StreamId, Tenant, record_hash,
};
use futures_util::future::join_all;
use tokio::sync::Notify;
use uuid::Uuid;

pub use super::model::g2_random_appends_do_what_the_model_does;
use crate::engine::Engine;
use crate::given;

pub async fn an_empty_append_is_refused(engine: &dyn Engine) {
    let log = engine.open().await;
    let result = log.append(given::append(given::stream(), 0)).await;
    assert!(matches!(result, Err(AppendError::Size { events: 0, .. })), "{result:?}");
}

pub async fn an_append_larger_than_the_limits_is_refused(engine: &dyn Engine) {
    let log = engine.open().await;
    let stream = given::stream();
    let result = log.append(given::append(stream, StreamAppend::EVENTS_MAX + 1)).await;
    assert!(matches!(result, Err(AppendError::Size { .. })), "{result:?}");
    let large = Bytes::from(vec![7; StreamAppend::BYTES_MAX / 2 + 1]);
    let events = vec![given::event(large.clone()), NewEvent { sealed: Some(large), ..given::event("") }];
    let result = log.append(StreamAppend { events, ..given::append(stream, 1) }).await;
    assert!(matches!(result, Err(AppendError::Size { events: 2, .. })), "{result:?}");
    assert!(given::read(&*log, stream).await.is_empty());

    let largest = Bytes::from(vec![7; StreamAppend::BYTES_MAX]);
    let append = StreamAppend { events: vec![given::event(largest.clone())], ..given::append(stream, 1) };
    log.append(append).await.unwrap();
    assert_eq!(given::read(&*log, stream).await[0].payload, largest);
    let most = given::append_at(stream, 0, StreamAppend::EVENTS_MAX);
    log.append(most).await.unwrap();
    let last = log.last_of_stream(stream).await.unwrap().unwrap();
    assert_eq!(last.revision, Revision::new(StreamAppend::EVENTS_MAX as u64));
}

pub async fn any_appends_behind_whatever_is_there(engine: &dyn Engine) {
    let log = engine.open().await;
    let stream = given::stream();
    let any = || StreamAppend { expected: Expected::Any, ..given::append(stream, 2) };
    let results = join_all((0..20).map(|_| log.append(any()))).await;
    let mut firsts: Vec<_> = results.into_iter().map(|result| result.unwrap().first_revision.get()).collect();
    firsts.sort_unstable();
    assert_eq!(firsts, (0..20).map(|n| n * 2).collect::<Vec<_>>());
    assert_eq!(given::read(&*log, stream).await.len(), 40);
}

pub async fn appends_in_order_chain(engine: &dyn Engine) {
    let log = engine.open().await;
    let stream = given::stream();
    let appends = vec![
        given::append(stream, 2),
        given::append_at(stream, 1, 1),
        given::append_at(stream, 7, 1),
        given::append_at(stream, 2, 3),
        given::append_at(stream, 8, 1),
    ];
    let results = log.append_in_order(appends.clone()).await;
    assert_eq!(results.len(), 5);
    assert_eq!(results[1].as_ref().unwrap().last_revision, Revision::new(2));
    assert_conflict(&results[2], Some(2));
    // It would fit, by chance: it was decided as if the one before had happened.
    assert_unfounded(&results[3]);
    assert_unfounded(&results[4]);
    assert!(results[0].as_ref().unwrap().position <= results[1].as_ref().unwrap().position);
    assert_eq!(given::read(&*log, stream).await.len(), 3);

    // Once more, with something new behind what is recorded already.
    let mut again = appends[..2].to_vec();
    again.push(given::append_at(stream, 2, 1));
    let repeated = log.append_in_order(again).await;
    assert!(repeated[0].as_ref().unwrap().replayed && repeated[1].as_ref().unwrap().replayed);
    assert_eq!(repeated[1].as_ref().unwrap().position, results[1].as_ref().unwrap().position);
    assert_eq!(repeated[2].as_ref().unwrap().first_revision, Revision::new(3));
    assert!(log.append_in_order(Vec::new()).await.is_empty());
}

pub async fn g2_nothing_builds_on_what_another_writer_took_the_place_of(engine: &dyn Engine) {
    let (log, other) = (engine.open().await, engine.open().await);
    let (stream, bystander) = (given::stream(), given::stream());
    other.append(given::append(stream, 1)).await.unwrap();
    // Decided on the empty stream: the second expects revision 0 of the first.
    let appends = vec![
        given::append(stream, 1),
        given::append(bystander, 1),
        given::append_at(stream, 0, 1),
        StreamAppend { expected: Expected::Any, ..given::append(stream, 1) },
        given::append_at(bystander, 0, 1),
    ];
    let results = log.append_in_order(appends.clone()).await;
    assert_conflict(&results[0], Some(0));
    assert_unfounded(&results[2]);
    assert_unfounded(&results[3]);
    assert!(results[1].is_ok() && results[4].is_ok(), "streams do not touch each other");
    assert_eq!(given::read(&*log, stream).await.len(), 1);
    assert_eq!(given::read(&*log, bystander).await.len(), 2);
    // Another call is another matter.
    log.append(appends[2].clone()).await.unwrap();
    assert_eq!(given::read(&*log, stream).await.len(), 2);
}

pub async fn g2_nothing_builds_on_what_is_recorded_elsewhere(engine: &dyn Engine) {
    let log = engine.open().await;
    let stream = given::stream();
    let first = given::append(stream, 1);
    log.append(first.clone()).await.unwrap();
    log.append(given::append_at(stream, 0, 1)).await.unwrap();
    let moved = StreamAppend { expected: Expected::Exact(Revision::new(1)), ..first.clone() };
    let results = log.append_in_order(vec![moved, given::append_at(stream, 1, 1)]).await;
    assert!(results[0].as_ref().unwrap().replayed);
    assert_unfounded(&results[1]);
    let reused = CommandRef { fingerprint: Digest::from_bytes([1; 32]), ..first.command };
    let reused = StreamAppend { command: reused, ..first };
    let results = log.append_in_order(vec![reused, given::append_at(stream, 1, 1)]).await;
    assert!(matches!(results[0], Err(AppendError::CommandReused { .. })), "{:?}", results[0]);
    assert_unfounded(&results[1]);
    let large = given::event(Bytes::from(vec![7; StreamAppend::BYTES_MAX + 1]));
    let large = StreamAppend { events: vec![large], ..given::append_at(stream, 1, 1) };
    let results = log.append_in_order(vec![large, given::append_at(stream, 1, 1)]).await;
    assert!(matches!(results[0], Err(AppendError::Size { .. })), "{:?}", results[0]);
    assert_unfounded(&results[1]);
    assert_eq!(given::read(&*log, stream).await.len(), 2);
}

/// More in one call than goes into one write.
pub async fn g2_a_long_call_is_one_chain(engine: &dyn Engine) {
    const APPENDS: u64 = 40;
    const EVENTS: u64 = 64;
    let (log, other) = (engine.open().await, engine.open().await);
    let chain = |stream, from: u64| -> Vec<StreamAppend> {
        let count = usize::try_from(EVENTS).unwrap();
        let at = (0..APPENDS).map(|n| from + n * EVENTS);
        at.map(|at| match at.checked_sub(1) {
            None => given::append(stream, count),
            Some(last) => given::append_at(stream, last, count),
        })
        .collect()
    };
    let stream = given::stream();
    let calls =
        join_all([log.append_in_order(chain(stream, 0)), other.append_in_order(chain(stream, 0))]).await;
    for results in &calls {
        let written = results.iter().take_while(|result| result.is_ok()).count();
        assert!(
            results
                .iter()
                .skip(written + 1)
                .all(|result| matches!(result, Err(AppendError::Unfounded { .. }))),
            "{results:?}"
        );
    }
    let written: usize = calls.iter().flatten().filter(|result| result.is_ok()).count();
    assert_eq!(written as u64, APPENDS, "one call was written whole, the other not at all");
    let events = given::read(&*log, stream).await;
    assert!(events.iter().map(|event| event.revision.get()).eq(0..APPENDS * EVENTS));
    // Two calls for one stream at once, which follow on each other only by chance.
    let again = join_all([
        log.append_in_order(chain(stream, APPENDS * EVENTS)),
        log.append_in_order(chain(stream, 2 * APPENDS * EVENTS)),
    ])
    .await;
    assert!(again[0].iter().all(Result::is_ok));
    let late = &again[1];
    let all_or_none = late.iter().all(Result::is_ok) || late.iter().all(Result::is_err);
    assert!(all_or_none, "{late:?}");
}

/// A first append to a new stream that rests on where others end.
fn resting_on(conditions: &[(StreamId, Option<u64>)]) -> StreamAppend {
    let conditions = conditions
        .iter()
        .map(|(stream, last)| Condition { stream: *stream, last: last.map(Revision::new) })
        .collect();
    StreamAppend { conditions, ..given::append(given::stream(), 1) }
}

fn assert_outdated(result: &Result<Appended, AppendError>) {
    assert!(matches!(result, Err(AppendError::Outdated { .. })), "{result:?}");
}

pub async fn g2_what_an_append_was_decided_by_has_to_stand_still(engine: &dyn Engine) {
    let (log, other) = (engine.open().await, engine.open().await);
    let (seen, empty) = (given::stream(), given::stream());
    other.append(given::append(seen, 3)).await.unwrap();
    let good = resting_on(&[(seen, Some(2)), (empty, None)]);
    if !log.judges_conditions() {
        assert_outdated(&log.append(good.clone()).await);
        assert_outdated(&log.append_in_order(vec![good.clone()]).await[0]);
        assert!(given::read(&*log, good.stream).await.is_empty());
        return;
    }
    log.append(good.clone()).await.unwrap();
    assert!(log.append(good.clone()).await.unwrap().replayed);
    for wrong in
        [[(seen, Some(1)), (empty, None)], [(seen, None), (empty, None)], [(seen, Some(2)), (empty, Some(0))]]
    {
        let wrong = resting_on(&wrong);
        assert_outdated(&log.append(wrong.clone()).await);
        assert!(given::read(&*log, wrong.stream).await.is_empty());
        assert_eq!(log.find_command(wrong.stream, wrong.command.id).await.unwrap(), None);
    }
    // In one call: what builds on a refused one is refused, other streams are not touched.
    let (stale, fresh) = (resting_on(&[(seen, Some(1))]), resting_on(&[(seen, Some(2))]));
    let behind = given::append_at(stale.stream, 0, 1);
    let results = log.append_in_order(vec![stale.clone(), fresh.clone(), behind]).await;
    assert_outdated(&results[0]);
    assert!(results[1].is_ok(), "{:?}", results[1]);
    assert_unfounded(&results[2]);
    assert!(given::read(&*log, stale.stream).await.is_empty());
    // What comes before it in the call counts.
    let ending = vec![given::append_at(seen, 2, 1), resting_on(&[(seen, Some(2))])];
    let results = log.append_in_order(ending).await;
    assert!(results[0].is_ok(), "{:?}", results[0]);
    assert_outdated(&results[1]);
    // Once it has gone on, not even what is on record is told to whoever rests on it.
    assert_outdated(&log.append(good.clone()).await);
    assert_outdated(&log.append(fresh).await);
    assert!(log.append(StreamAppend { conditions: Vec::new(), ..good }).await.unwrap().replayed);
}

/// What is acknowledged after the end was acknowledged does not rest on what was before.
pub async fn g2_many_writers_and_one_who_ends_what_they_rest_on(engine: &dyn Engine) {
    const WRITERS: usize = 16;
    const APPENDS: usize = 40;
    let (log, other) = (engine.open().await, engine.open().await);
    if !log.judges_conditions() {
        return;
    }
    let seen = given::stream();
    other.append(given::append(seen, 1)).await.unwrap();
    let (log, ended, begun) = (&log, &AtomicBool::new(false), &Notify::new());
    let writers = (0..WRITERS).map(|_| async move {
        for _ in 0..APPENDS {
            let had_ended = ended.load(Ordering::SeqCst);
            let result = log.append(resting_on(&[(seen, Some(0))])).await;
            assert!(!(had_ended && result.is_ok()), "written behind the end");
            match result {
                Ok(_) => begun.notify_one(),
                other => assert_outdated(&other),
            }
        }
    });
    let ending = async {
        // Amid the others, once one is through.
        begun.notified().await;
        other.append(given::append_at(seen, 0, 1)).await.unwrap();
        ended.store(true, Ordering::SeqCst);
    };
    futures_util::future::join(join_all(writers), ending).await;
    let last = log.append(resting_on(&[(seen, Some(0))])).await;
    assert_outdated(&last);
}

pub async fn everything_that_was_appended_is_read_back(engine: &dyn Engine) {
    let log = engine.open().await;
    let id = |n: u8| [n; 16];
    let stream = StreamId::new(Category::Organization, Uuid::new_v4());
    let organization = OrganizationId::from_bytes(id(1));
    let period = Period { conversation: ConversationId::from_bytes(id(2)), number: 77 };
    let subject = SubjectId::from_bytes(id(3));
    let key_ref = KeyRef { tenant: Tenant::Organization(organization), subject, period: Some(period) };
    let append = StreamAppend {
        stream,
        expected: Expected::NoStream,
        command: given::command(),
        origin: Origin {
            organization_id: Some(organization),
            actor: Actor { kind: ActorKind::Account, id: id(4) },
            device_id: Some(DeviceId::from_bytes(id(5))),
            causation_id: Some(EventId::from_bytes(id(6))),
            ..given::origin()
        },
        events: vec![
            given::event(vec![0, 255, 7]),
            NewEvent {
                event_type: "organization.renamed",
                version: u16::MAX,
                key_ref: Some(key_ref),
                sealed: Some(Bytes::from(vec![9; 5_000])),
                ..given::event("")
            },
        ],
        conditions: Vec::new(),
    };
    let appended = log.append(append.clone()).await.unwrap();
    assert_eq!((appended.stream, appended.replayed), (stream, false));
    let events = given::read(&*log, stream).await;
    assert_eq!(events.len(), append.events.len());
    for ((recorded, sent), revision) in events.iter().zip(&append.events).zip(0..) {
        assert_eq!(recorded.stream, stream);
        assert_eq!(recorded.revision, Revision::new(revision));
        assert_eq!((recorded.event_id, recorded.command_id), (sent.event_id, append.command.id));
        assert_eq!((recorded.event_type.as_str(), recorded.version), (sent.event_type, sent.version));
        assert_eq!(recorded.origin, append.origin);
        assert_eq!((&recorded.payload, &recorded.sealed), (&sent.payload, &sent.sealed));
        assert_eq!(recorded.key_ref, sent.key_ref);
        let hash = record_hash(stream, recorded.revision, sent, append.command.id, &append.origin);
        assert_eq!(recorded.hash, hash);
    }
    assert_eq!(log.last_of_stream(stream).await.unwrap().as_ref(), events.last());
    assert_eq!(events[1].position, appended.position);
}

pub async fn g1_an_acknowledged_append_is_there_for_another_handle(engine: &dyn Engine) {
    let (writer, reader) = (engine.open().await, engine.open().await);
    for count in 1..5 {
        let append = given::append(given::stream(), count);
        let appended = writer.append(append.clone()).await.unwrap();
        let events = given::read(&*reader, append.stream).await;
        assert_eq!(events.len(), count);
        assert_eq!(events[count - 1].position, appended.position);
        assert!(given::head(&*reader).await >= Some(appended.position));
    }
}

pub async fn g1_an_append_whose_answer_nobody_awaits_is_not_torn(engine: &dyn Engine) {
    let log = engine.open().await;
    let appends: Vec<_> = (0..20).map(|_| given::append(given::stream(), 3)).collect();
    for append in &appends {
        tokio::select! {
            biased;
            _ = log.append(append.clone()) => {}
            () = tokio::task::yield_now() => {}
        }
    }
    for append in appends {
        log.append(append.clone()).await.unwrap();
        assert_eq!(given::read(&*log, append.stream).await.len(), 3);
    }
}

pub async fn g2_revisions_are_contiguous_from_zero(engine: &dyn Engine) {
    let log = engine.open().await;
    let stream = given::stream();
    let mut last = None;
    for count in [1, 3, 1, 2] {
        let append = StreamAppend { expected: Expected::after(last), ..given::append(stream, count) };
        let appended = log.append(append).await.unwrap();
        assert_eq!(appended.first_revision, last.map_or(Revision::new(0), |last| last.plus(1)));
        last = Some(appended.last_revision);
    }
    let revisions: Vec<_> =
        given::read(&*log, stream).await.iter().map(|event| event.revision.get()).collect();
    assert_eq!(revisions, (0..7).collect::<Vec<_>>());
}

pub async fn g2_a_wrong_expectation_changes_nothing(engine: &dyn Engine) {
    let log = engine.open().await;
    let stream = given::stream();
    assert_conflict(&log.append(given::append_at(stream, 0, 1)).await, None);
    log.append(given::append(stream, 2)).await.unwrap();
    assert_conflict(&log.append(given::append(stream, 1)).await, Some(1));
    assert_conflict(&log.append(given::append_at(stream, 0, 1)).await, Some(1));
    assert_conflict(&log.append(given::append_at(stream, 2, 1)).await, Some(1));
    assert_eq!(given::read(&*log, stream).await.len(), 2);
    // The same id in another category is another stream.
    let sibling = StreamId::new(Category::Workspace, stream.id);
    log.append(given::append(sibling, 1)).await.unwrap();
    assert_eq!(given::read(&*log, stream).await.len(), 2);
}

pub async fn g2_of_many_writers_with_one_expectation_one_wins(engine: &dyn Engine) {
    let logs = [engine.open().await, engine.open().await];
    let stream = given::stream();
    logs[0].append(given::append(stream, 1)).await.unwrap();
    for round in 0..10 {
        let racing = (0..16).map(|n| logs[n % 2].append(given::append_at(stream, round, 1)));
        let results = join_all(racing).await;
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        lost.iter().for_each(|result| assert_conflict(result, Some(round + 1)));
    }
    assert_eq!(given::read(&*logs[0], stream).await.len(), 11);
}

pub async fn g4_a_repeated_command_gets_the_first_result_and_writes_nothing(engine: &dyn Engine) {
    let logs = [engine.open().await, engine.open().await];
    let append = given::append(given::stream(), 3);
    let first = logs[0].append(append.clone()).await.unwrap();
    assert!(!first.replayed);
    // Meanwhile the stream goes on, and a retry may believe anything of it.
    logs[1].append(given::append_at(append.stream, 2, 2)).await.unwrap();
    for log in &logs {
        for expected in [Expected::NoStream, Expected::Any, Expected::Exact(Revision::new(4))] {
            let again = StreamAppend { expected, ..append.clone() };
            let replayed = log.append(again).await.unwrap();
            assert_eq!(replayed, eventstore_schema::Appended { replayed: true, ..first });
        }
    }
    assert_eq!(given::read(&*logs[0], append.stream).await.len(), 5);
}

pub async fn g4_a_command_with_other_content_is_refused(engine: &dyn Engine) {
    let log = engine.open().await;
    let append = given::append(given::stream(), 1);
    log.append(append.clone()).await.unwrap();
    let command = CommandRef { fingerprint: Digest::from_bytes([1; 32]), ..append.command };
    let other = StreamAppend { command, ..given::append_at(append.stream, 0, 1) };
    let result = log.append(other).await;
    let refused =
        matches!(result, Err(AppendError::CommandReused { command_id }) if command_id == command.id);
    assert!(refused, "{result:?}");
    assert_eq!(given::read(&*log, append.stream).await.len(), 1);
}

pub async fn g4_the_same_command_at_the_same_time_is_written_once(engine: &dyn Engine) {
    let logs = [engine.open().await, engine.open().await];
    let append = given::append(given::stream(), 2);
    let results = join_all((0..20).map(|n| logs[n % 2].append(append.clone()))).await;
    let results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().filter(|appended| !appended.replayed).count(), 1);
    assert_eq!(results.iter().map(|appended| appended.position).collect::<HashSet<_>>().len(), 1);
    assert_eq!(given::read(&*logs[0], append.stream).await.len(), 2);
}

pub async fn g4_a_command_is_found_again(engine: &dyn Engine) {
    let log = engine.open().await;
    let append = given::append(given::stream(), 3);
    assert_eq!(log.find_command(append.stream, append.command.id).await.unwrap(), None);
    let appended = log.append(append.clone()).await.unwrap();
    let (found, fingerprint) = log.find_command(append.stream, append.command.id).await.unwrap().unwrap();
    assert_eq!(found, eventstore_schema::Appended { replayed: true, ..appended });
    assert_eq!(fingerprint, append.command.fingerprint);
}

pub async fn g7_overload_is_refused_and_what_was_refused_is_not_there(engine: &dyn Engine) {
    let log = engine.open_narrow().await;
    let appends: Vec<_> = (0..200).map(|_| given::append(given::stream(), 1)).collect();
    let results = join_all(appends.iter().map(|append| log.append(append.clone()))).await;
    let mut refused = 0;
    for (append, result) in appends.iter().zip(results) {
        let there = given::read(&*log, append.stream).await.len();
        match result {
            Ok(_) => assert_eq!(there, 1),
            Err(AppendError::Overloaded { retry_after }) => {
                assert!(!retry_after.is_zero());
                assert_eq!(there, 0);
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!((1..200).contains(&refused), "{refused} of 200 were refused");
    log.append(given::append(given::stream(), 1)).await.unwrap();
}

fn assert_unfounded(result: &Result<eventstore_schema::Appended, AppendError>) {
    assert!(matches!(result, Err(AppendError::Unfounded { .. })), "{result:?}");
}

fn assert_conflict(result: &Result<eventstore_schema::Appended, AppendError>, at: Option<u64>) {
    match result {
        Err(AppendError::Conflict { actual, .. }) => assert_eq!(*actual, at.map(Revision::new)),
        other => panic!("a conflict was expected, not {other:?}"),
    }
}
