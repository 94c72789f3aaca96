//! The way to the server, and the server, fail: nothing is lost, nothing is written twice, nothing needs a restart.

use std::time::Duration;

use eventstore_double::AppendFault;
use eventstore_schema::{AppendError, EventLog, Expected, LogError, ReadFilter, StreamAppend};

use super::Esdb;
use crate::engine::Engine;
use crate::given;

/// How long a test waits for what must come.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_answer_was_lost_is_written_once_and_answered() {
    for fault in [
        AppendFault::LoseAnswer,
        AppendFault::LoseAnswerAndConnections,
        AppendFault::Unavailable,
        AppendFault::TimedOut,
    ] {
        let mut esdb = Esdb::doubled().await;
        let log = esdb.open().await;
        let append = given::append(given::stream(), 2);
        log.append(append.clone()).await.unwrap();
        esdb.double().faults().next_appends(2, fault);
        let next = given::append_at(append.stream, 1, 3);
        let appended = log.append(next.clone()).await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert!(!appended.replayed);
        assert_eq!(esdb.double().faults().appends_left(), 0);
        assert_eq!(given::read(&*log, append.stream).await.len(), 5, "{fault:?}");
        assert!(log.append(next).await.unwrap().replayed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_was_given_up_is_recognised_when_it_comes_again() {
    let mut esdb = Esdb::doubled().await;
    let config = eventstore_schema::EsdbLogConfig { patience: Duration::ZERO, ..esdb.config(&esdb.url) };
    let log = eventstore_schema::EsdbEventLog::connect(config).await.unwrap();
    let stream = given::stream();
    log.append(given::append(stream, 1)).await.unwrap();
    esdb.double().faults().next_appends(1, AppendFault::LoseAnswer);
    let append = given::append_at(stream, 0, 2);
    let error = log.append(append.clone()).await.unwrap_err();
    assert!(matches!(error, AppendError::Unavailable { .. }), "{error}");
    // Meanwhile somebody else goes on.
    let other = esdb.open().await;
    other.append(StreamAppend { expected: Expected::Any, ..given::append(stream, 1) }).await.unwrap();
    for log in [&log as &dyn EventLog, &*other] {
        let again = log.append(StreamAppend { expected: Expected::Any, ..append.clone() }).await.unwrap();
        assert!(again.replayed);
        assert_eq!(again.first_revision.get(), 1);
    }
    assert_eq!(given::read(&*other, stream).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_wait_together_are_told_together_that_the_server_is_gone() {
    let mut esdb = Esdb::doubled().await;
    let log = esdb.open().await;
    let stream = given::stream();
    esdb.double().stop().await;
    // Nothing is known of the stream here, so its end has to be read first.
    let appends: Vec<_> = (0..6).map(|n| given::append_at(stream, n, 1)).collect();
    let results = log.append_in_order(appends).await;
    let unavailable = |result: &Result<_, _>| matches!(result, Err(AppendError::Unavailable { .. }));
    assert!(results.len() == 6 && unavailable(&results[0]), "{results:?}");
    let unfounded = |result: &Result<_, _>| matches!(result, Err(AppendError::Unfounded { .. }));
    assert!(results.iter().skip(1).all(unfounded), "each was tried in vain by itself: {results:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_is_an_overload() {
    let mut esdb = Esdb::doubled().await;
    let log = esdb.open().await;
    esdb.double().faults().next_appends(1, AppendFault::Busy);
    let append = given::append(given::stream(), 1);
    let error = log.append(append.clone()).await.unwrap_err();
    assert!(matches!(error, AppendError::Overloaded { .. }), "{error}");
    assert!(!log.append(append).await.unwrap().replayed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_is_found_again_without_a_restart() {
    let mut esdb = Esdb::doubled().await;
    let log = esdb.open().await;
    let start = log.head().await.unwrap().position;
    let stream = given::stream();
    log.append(given::append(stream, 3)).await.unwrap();
    let mut subscription = log.subscribe(start, ReadFilter::all()).await.unwrap();
    let mut seen = subscription.next(2).await.unwrap();
    esdb.double().stop().await;
    let waiting = tokio::spawn({
        let (log, append) = (log.clone(), given::append_at(stream, 2, 1));
        async move { log.append(append).await }
    });
    let error = log.read_stream(stream, eventstore_schema::Revision::new(0), 9).await.unwrap_err();
    assert!(matches!(error, LogError::Unavailable { .. }), "{error}");
    esdb.double().start_again().await.unwrap();
    // What waited is written; should its patience have been too short, it can be repeated.
    if waiting.await.unwrap().is_err() {
        log.append(StreamAppend { expected: Expected::Any, ..given::append(stream, 1) }).await.unwrap();
    }
    assert_eq!(given::read(&*log, stream).await.len(), 4);
    let follow = async {
        while seen.len() < 4 {
            match subscription.next(10).await {
                Ok(events) => seen.extend(events),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(SOON, follow).await.expect("the subscription goes on");
    assert_eq!(seen, given::read_all_after(&*log, start).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_subscription_goes_on_behind_what_was_handed_over() {
    let mut esdb = Esdb::doubled().await;
    let log = esdb.open().await;
    let start = log.head().await.unwrap().position;
    let mut subscription = log.subscribe(start, ReadFilter::all()).await.unwrap();
    let mut seen = Vec::new();
    let mut interruptions = 0;
    for round in 0..10 {
        log.append(given::append(given::stream(), 3)).await.unwrap();
        if round % 3 == 1 {
            esdb.double().faults().drop_subscriptions();
        }
        if round % 3 == 2 {
            esdb.double().faults().drop_connections();
        }
        let follow = async {
            while seen.len() < (round + 1) * 3 {
                match subscription.next(2).await {
                    Ok(events) => seen.extend(events),
                    Err(_) => interruptions += 1,
                }
            }
        };
        tokio::time::timeout(SOON, follow).await.expect("the subscription goes on");
    }
    assert!(interruptions > 0, "nobody noticed");
    assert_eq!(seen, given::read_all_after(&*log, start).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_silent_does_not_hold_callers_for_ever() {
    let mut esdb = Esdb::doubled().await;
    let config = eventstore_schema::EsdbLogConfig { patience: Duration::ZERO, ..esdb.config(&esdb.url) };
    let log = eventstore_schema::EsdbEventLog::connect(config).await.unwrap();
    esdb.double().faults().next_appends(1, AppendFault::DelayAnswer(Duration::from_secs(60)));
    let append = given::append(given::stream(), 1);
    let answer = tokio::time::timeout(SOON, log.append(append.clone())).await.expect("an answer comes");
    assert!(matches!(answer, Err(AppendError::Unavailable { .. })), "{answer:?}");
    assert!(log.append(append).await.unwrap().replayed);
}
