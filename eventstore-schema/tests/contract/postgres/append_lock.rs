//! The append lock: one process decides while others wait, and nobody waits for long.

use std::sync::Arc;
use std::time::Duration;

use eventstore_schema::{
    AppendError, AppendLock, EventLog, Expected, NewEvent, Revision, StreamAppend, StreamId,
};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::Postgres;
use crate::engine::Engine;
use crate::given;

/// Longer than a test takes.
const LONG: Duration = Duration::from_secs(600);

struct Given {
    engine: Postgres,
    /// Gives decisions as long as they take.
    here: Arc<dyn EventLog>,
    there: Arc<dyn EventLog>,
    /// Its first event is written here, its second there.
    stream: StreamId,
    observer: Client,
}

impl Given {
    /// With this much time for deciding, and for doing nothing.
    async fn with(deciding: Duration, stopped: Duration) -> Self {
        let engine = Postgres::create().await;
        let here =
            engine.connect(|config| (config.deciding_max, config.stopped_max) = (deciding, stopped)).await;
        let there = engine.open().await;
        let stream = given::stream();
        here.append(given::append(stream, 1)).await.unwrap();
        there.append(given::append_at(stream, 0, 1)).await.unwrap();
        let observer = engine.0.client().await;
        Self { engine, here, there, stream, observer }
    }

    /// Appends the stream's third event there, and waits until that waits for the lock.
    async fn append_there(&self) -> JoinHandle<Result<(), AppendError>> {
        let (there, append) = (Arc::clone(&self.there), given::append_at(self.stream, 1, 1));
        let appending = tokio::spawn(async move { there.append(append).await.map(|_| ()) });
        const WAITING: &str = "SELECT count(*) FROM pg_stat_activity \
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'";
        while self.observer.query_one(WAITING, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            assert!(!appending.is_finished(), "it does not wait");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        appending
    }

    async fn revisions(&self) -> usize {
        given::read(self.there.as_ref(), self.stream).await.len()
    }
}

/// The lock, however long others have it and the writer takes to connect.
async fn locked(log: &Arc<dyn EventLog>) -> AppendLock {
    loop {
        match log.lock_appends().await {
            Some(lock) => return lock,
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_decided_under_the_lock_comes_before_what_others_append() {
    let given = Given::with(LONG, LONG).await;
    let lock = locked(&given.here).await;
    let tail = lock.tail(given.stream, Revision::new(1)).unwrap();
    assert_eq!(tail, given.there.read_stream(given.stream, Revision::new(1), 9).await.unwrap());
    assert_eq!(tail.len(), 1);
    let late = given.append_there().await;
    let results = given.here.append_locked(vec![given::append_at(given.stream, 1, 2)], lock).await;
    assert!(matches!(results.as_slice(), [Ok(appended)] if !appended.replayed), "{results:?}");
    let late = late.await.unwrap();
    let end = Some(Revision::new(3));
    assert!(matches!(late, Err(AppendError::Conflict { actual, .. }) if actual == end), "{late:?}");
    assert_eq!(given.revisions().await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_at_hand_is_not_made_up() {
    let given = Given::with(LONG, LONG).await;
    let other = given::stream();
    given.there.append(given::append(other, 3)).await.unwrap();
    let fresh = given.engine.connect(|config| (config.deciding_max, config.stopped_max) = (LONG, LONG)).await;
    let lock = locked(&fresh).await;
    // From the start on: nothing says that what is at hand is all.
    assert!(lock.tail(other, Revision::new(0)).is_none());
    assert!(lock.tail(given::stream(), Revision::new(0)).is_none());
    assert_eq!(lock.tail(other, Revision::new(1)).unwrap().len(), 2);
    assert_eq!(lock.tail(other, Revision::new(3)).unwrap(), Vec::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_given_back_unused_lets_others_go_on() {
    let given = Given::with(LONG, LONG).await;
    let lock = locked(&given.here).await;
    let waiting = given.append_there().await;
    let (here, append) = (Arc::clone(&given.here), given::append(given::stream(), 1));
    let of_others = tokio::spawn(async move { here.append(append).await });
    drop(lock);
    waiting.await.unwrap().unwrap();
    of_others.await.unwrap().unwrap();
    assert_eq!(given.revisions().await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_ends_by_itself_and_what_comes_late_is_judged() {
    let given = Given::with(Duration::from_millis(5), LONG).await;
    let lock = locked(&given.here).await;
    given.there.append(given::append_at(given.stream, 1, 1)).await.unwrap();
    let results = given.here.append_locked(vec![given::append_at(given.stream, 1, 1)], lock).await;
    assert!(matches!(results.as_slice(), [Err(AppendError::Conflict { .. })]), "{results:?}");
    assert_eq!(given.revisions().await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stops_while_it_has_the_lock_is_not_waited_for() {
    let given = Given::with(LONG, Duration::from_millis(50)).await;
    let lock = locked(&given.here).await;
    given.there.append(given::append_at(given.stream, 1, 1)).await.unwrap();
    // It goes on with what it believes to be its own: its connection is gone, and what it decided is judged.
    let results = given.here.append_locked(vec![given::append_at(given.stream, 1, 1)], lock).await;
    assert!(matches!(results.as_slice(), [Err(AppendError::Conflict { .. })]), "{results:?}");
    given.here.append(given::append_at(given.stream, 2, 1)).await.unwrap();
    assert_eq!(given.revisions().await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_have_the_lock_soon_goes_on_without() {
    let given = Given::with(LONG, LONG).await;
    given.observer.batch_execute("SELECT pg_advisory_lock(7163384699741798250)").await.unwrap();
    assert!(given.here.lock_appends().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_behind_reads_little_under_the_lock() {
    let given = Given::with(LONG, LONG).await;
    // Known: read before.
    given.there.append(given::append_at(given.stream, 1, 600)).await.unwrap();
    let known = given.here.read_stream(given.stream, Revision::new(0), 1_000).await.unwrap();
    assert_eq!(given::read_all_after(given.here.as_ref(), None).await, known);
    let lock = locked(&given.here).await;
    assert_eq!(lock.tail(given.stream, Revision::new(300)).unwrap(), known[300..]);
    drop(lock);
    // Not known: in several reads, however large what it holds is.
    let large = |count| StreamAppend {
        events: (0..count)
            .map(|_| NewEvent { sealed: Some(vec![7; 60_000].into()), ..given::event(vec![7; 1_000]) })
            .collect(),
        ..given::append_at(given.stream, 601, 1)
    };
    given.there.append(large(9)).await.unwrap();
    let lock = locked(&given.here).await;
    assert_eq!(lock.tail(given.stream, Revision::new(602)).unwrap().len(), 9);
    drop(lock);
    // More than is read under the lock: those who ask go on without, until little is left.
    for last in [610, 620] {
        let more = StreamAppend { expected: Expected::Exact(Revision::new(last)), ..large(10) };
        given.there.append(more).await.unwrap();
    }
    assert!(given.here.lock_appends().await.is_none());
    let lock = locked(&given.here).await;
    assert_eq!(lock.tail(given.stream, Revision::new(611)).unwrap().len(), 20);
}
