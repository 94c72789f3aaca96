//! Events of others, in streams of others and in ours.

use eventstore_schema::verify::{Kind, Options, verify};
use eventstore_schema::{AppendError, LogError, ReadFilter, Revision};

use super::Esdb;
use crate::engine::Engine;
use crate::given;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_own_events_are_never_seen() {
    let mut esdb = Esdb::doubled().await;
    let log = esdb.open().await;
    esdb.double().faults().write_stats_every(Some(1));
    let mut last = None;
    for _ in 0..20 {
        last = Some(log.append(given::append(given::stream(), 2)).await.unwrap().position);
    }
    for _ in 0..3_000 {
        esdb.double().faults().write_stats();
    }
    assert_eq!(log.head().await.unwrap().position, last, "the head is the last event of ours");
    let fresh = esdb.open().await;
    assert_eq!(fresh.head().await.unwrap().position, last, "for a new handle too");
    assert_eq!(fresh.read_all(None, 1_000, &ReadFilter::all()).await.unwrap().len(), 40);
    assert_eq!(fresh.read_all(last, 10, &ReadFilter::all()).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_with_other_prefixes_on_the_same_server_are_other_logs() {
    let mut esdb = Esdb::doubled().await;
    let url = esdb.double().url();
    let other = Esdb::at(url, None).await;
    let (ours, theirs) = (esdb.open().await, other.open().await);
    let append = given::append(given::stream(), 2);
    ours.append(append.clone()).await.unwrap();
    assert!(given::read(&*theirs, append.stream).await.is_empty());
    assert_eq!(theirs.head().await.unwrap().position, None);
    assert_ne!(ours.head().await.unwrap().incarnation, theirs.head().await.unwrap().incarnation);
    assert!(!theirs.append(append).await.unwrap().replayed);
    assert_eq!(ours.read_all(None, 100, &ReadFilter::all()).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_in_our_stream_that_we_did_not_write_is_refused_there_and_left_out_of_the_order() {
    let mut esdb = Esdb::doubled().await;
    let log = esdb.open().await;
    let (touched, untouched) = (given::append(given::stream(), 2), given::append(given::stream(), 2));
    log.append(touched.clone()).await.unwrap();
    let mut subscription = log.subscribe(None, ReadFilter::all()).await.unwrap();
    let name = esdb.name(touched.stream);
    let position = esdb.double().faults().append_foreign(&name, "conversation.message_sent", "{}");
    log.append(untouched.clone()).await.unwrap();

    // The stream is refused, with position and reason.
    let error = log.read_stream(touched.stream, Revision::new(0), 10).await.unwrap_err();
    let LogError::Corrupt { place, reason } = &error else { panic!("{error}") };
    assert!(place.contains(&format!("position {position}")), "{place}");
    assert!(place.contains("revision 2") && reason.contains("metadata"), "{error}");
    let error = log.append(given::append_at(touched.stream, 2, 1)).await.unwrap_err();
    assert!(
        matches!(&error, AppendError::Unavailable { reason, .. } if reason.contains("did not write")),
        "{error}"
    );

    // Everything else goes on.
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.extend(subscription.next(10).await.unwrap());
    }
    assert_eq!(seen, given::read_all_after(&*log, None).await);
    assert!(seen.iter().all(|event| event.position.get() != position));
    assert_eq!(log.append(given::append_at(untouched.stream, 1, 1)).await.unwrap().first_revision.get(), 2);

    // Whoever verifies the log is told, and sees what is behind it.
    let mut found = Vec::new();
    let verified = verify(&*log, Options::default(), &mut |finding| found.push(finding), &|_, _| {}).await;
    assert_eq!(verified.unwrap().events, 6);
    let unreadable: Vec<_> = found.iter().filter(|one| one.kind == Kind::Unreadable).collect();
    let [one] = unreadable.as_slice() else { panic!("{found:#?}") };
    assert_eq!((one.position.unwrap().get(), one.stream), (position, Some(touched.stream)));
    assert!(one.what.contains("metadata"), "{}", one.what);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_is_found_again_and_one_of_others_is_not() {
    let mut esdb = Esdb::doubled().await;
    let log = esdb.open().await;
    let appended = log.append(given::append(given::stream(), 2)).await.unwrap();
    let found = log.event_at(appended.position).await.unwrap().expect("the event");
    assert_eq!((found.revision, found.position), (Revision::new(1), appended.position));
    let foreign = esdb.double().faults().append_foreign("elsewhere", "x", "{}");
    assert_eq!(log.event_at(eventstore_schema::Position::new(foreign)).await.unwrap(), None);
}
