//! An append that the server itself refuses fails alone, and soon.

use domain::Timestamp;
use eventstore_schema::testing::TestDatabase;
use eventstore_schema::{AppendError, EventLog, Origin, PgEventLog, PgLogConfig, StreamAppend};
use futures_util::future::join_all;

use crate::given;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_the_server_refuses_fails_alone() {
    let database = TestDatabase::create().await;
    let log = PgEventLog::connect(PgLogConfig::new(database.config())).await.unwrap();
    let good: Vec<_> = (0..40).map(|_| given::append(given::stream(), 1)).collect();
    // Beyond what a timestamp of PostgreSQL can hold.
    let origin = Origin { recorded_at: Timestamp::from_micros(i64::MIN), ..given::origin() };
    let bad = StreamAppend { origin, ..given::append(given::stream(), 1) };
    let (results, refused) =
        tokio::join!(join_all(good.iter().map(|append| log.append(append.clone()))), log.append(bad.clone()));
    results.into_iter().for_each(|result| assert!(result.is_ok(), "{result:?}"));
    assert!(matches!(refused, Err(AppendError::Unavailable { .. })), "{refused:?}");
    assert_eq!(given::read_all_after(&log, None).await.len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_several_appends_go_on_after_one_that_the_server_refuses() {
    let database = TestDatabase::create().await;
    let log = PgEventLog::connect(PgLogConfig::new(database.config())).await.unwrap();
    let origin = Origin { recorded_at: Timestamp::from_micros(i64::MIN), ..given::origin() };
    for _ in 0..10 {
        // More than two batches, of calls that build on themselves, one of them bad at its end.
        let calls = (0..8).map(|number| {
            let (stream, log, origin) = (given::stream(), &log, origin);
            async move {
                let mut chain: Vec<_> = vec![given::append(stream, 200)];
                chain.extend((1..4).map(|at| given::append_at(stream, at * 200 - 1, 200)));
                if number == 3 {
                    chain[3].origin = origin;
                }
                log.append_in_order(chain).await
            }
        });
        for (number, results) in join_all(calls).await.into_iter().enumerate() {
            let written = results.iter().filter(|result| result.is_ok()).count();
            assert_eq!(written, if number == 3 { 3 } else { 4 }, "{results:?}");
        }
    }
    log.append(given::append(given::stream(), 1)).await.unwrap();
}

#[tokio::test]
async fn connecting_to_a_database_without_a_log_says_so() {
    let database = TestDatabase::create_empty().await;
    let error = PgEventLog::connect(PgLogConfig::new(database.config())).await.unwrap_err();
    assert!(error.to_string().contains("log"), "{error}");
}

#[tokio::test]
async fn the_engine_counts_what_it_does() {
    let database = TestDatabase::create().await;
    let log = PgEventLog::connect(PgLogConfig::new(database.config())).await.unwrap();
    let registry = prometheus::Registry::new();
    log.metrics().register(&registry).unwrap();
    let append = given::append(given::stream(), 3);
    for _ in 0..2 {
        log.append(append.clone()).await.unwrap();
    }
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for line in [
        "envoi_log_appends_total{engine=\"postgres\",outcome=\"written\"} 1",
        "envoi_log_appends_total{engine=\"postgres\",outcome=\"replayed\"} 1",
        "envoi_log_events_total{engine=\"postgres\"} 3",
        "envoi_log_position{engine=\"postgres\"} 3",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}
