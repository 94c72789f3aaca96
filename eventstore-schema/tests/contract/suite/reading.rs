//! G3, G5, G6 and the edges of reading.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::{Category, Digest};
use eventstore_schema::verify::{Kind, Options, verify};
use eventstore_schema::{
    EventLog, Expected, Head, Incarnation, NewEvent, PAGE_BYTES, Position, ReadFilter, RecordedEvent,
    Revision, Snapshot, StreamAppend, StreamId, may_go_on,
};
use futures_util::future::join_all;
use uuid::Uuid;

use crate::engine::Engine;
use crate::given;

/// How long a test waits for what must come.
const SOON: Duration = Duration::from_secs(20);

pub async fn a_stream_without_events_gives_none(engine: &dyn Engine) {
    let log = engine.open().await;
    assert!(given::read(&*log, given::stream()).await.is_empty());
    assert_eq!(log.last_of_stream(given::stream()).await.unwrap(), None);
    assert_eq!(log.load_snapshot(given::stream(), 1).await.unwrap(), None);
}

pub async fn a_stream_is_read_in_pages(engine: &dyn Engine) {
    let log = engine.open().await;
    let stream = given::stream();
    log.append(given::append(stream, 10)).await.unwrap();
    let revisions = async |from, limit| -> Vec<u64> {
        let events = log.read_stream(stream, Revision::new(from), limit).await.unwrap();
        events.iter().map(|event| event.revision.get()).collect()
    };
    assert_eq!(revisions(0, 3).await, [0, 1, 2]);
    assert_eq!(revisions(3, 3).await, [3, 4, 5]);
    assert_eq!(revisions(8, 100).await, [8, 9]);
    assert!(revisions(10, 100).await.is_empty());
    assert!(revisions(0, 0).await.is_empty());
}

/// The largest events that there can be, and small ones behind them: whoever reads, by whichever way, gets them in pages that end
/// where their bytes say, and all of them.
pub async fn a_page_is_bounded_in_bytes(engine: &dyn Engine) {
    const LARGE: usize = 20;
    let log = engine.open().await;
    let start = given::head(&*log).await;
    let stream = given::stream();
    let large = || NewEvent { payload: vec![b'x'; StreamAppend::BYTES_MAX].into(), ..given::event("") };
    for n in 0..LARGE as u64 {
        let expected = Expected::after(n.checked_sub(1).map(Revision::new));
        let append = StreamAppend { expected, events: vec![large()], ..given::append(stream, 1) };
        log.append(append).await.unwrap();
    }
    log.append(given::append_at(stream, LARGE as u64 - 1, 5)).await.unwrap();
    let bytes = |page: &[RecordedEvent]| page.iter().map(RecordedEvent::bytes).sum::<usize>();
    let bound = PAGE_BYTES + StreamAppend::BYTES_MAX;
    let all = engine.open().await.read_all(start, 1_000, &ReadFilter::all()).await.unwrap();
    assert!(all.len() < LARGE && bytes(&all) <= bound && may_go_on(&all, 1_000), "{}", bytes(&all));

    // By another handle, too, which has nothing of them at hand.
    let whole = given::read(&*log, stream).await;
    assert_eq!(whole.len(), LARGE + 5);
    let filter = ReadFilter { categories: vec![Category::Conversation], ..ReadFilter::default() };
    for log in [&log, &engine.open().await] {
        let (mut seen, mut goes_on) = (Vec::new(), true);
        while goes_on {
            let page = log.read_stream(stream, Revision::new(seen.len() as u64), 1_000).await.unwrap();
            goes_on = may_go_on(&page, 1_000);
            assert!(bytes(&page) <= bound);
            seen.extend(page);
        }
        assert!(seen == whole, "a stream was read to its end");
        for filter in [&ReadFilter::all(), &filter] {
            let mut seen: Vec<RecordedEvent> = Vec::new();
            loop {
                let after = seen.last().map(|event| event.position).or(start);
                let page = log.read_all(after, 1_000, filter).await.unwrap();
                assert!(bytes(&page) <= bound);
                if page.is_empty() {
                    break;
                }
                seen.extend(page);
            }
            assert!(seen == whole, "everything was read");
        }
        assert!(follow(log.clone(), start, whole.len()).await == whole, "everything was followed");
    }
    let (until, mut examined, mut after) = (given::head(&*log).await.unwrap(), 0, start);
    loop {
        let page = log.examine(after, until, 1_000).await.unwrap();
        let Some(last) = page.entries.last() else { break };
        after = Some(last.position);
        assert!(page.entries.len() < LARGE);
        examined += page.entries.len();
    }
    assert_eq!(examined, whole.len());
}

/// Page by page, from the start or from anywhere; of what is only not decodable (the payloads here are none) nothing else is
/// said.
pub async fn an_examination_sees_what_everybody_reads(engine: &dyn Engine) {
    let log = engine.open().await;
    let streams = [given::stream(), given::stream()];
    for stream in streams {
        log.append(given::append(stream, 3)).await.unwrap();
    }
    for (stream, revision) in [(streams[0], 2), (streams[1], 2), (streams[0], 4)] {
        log.append(given::append_at(stream, revision, 2)).await.unwrap();
    }
    let all = given::read_all_after(&*log, None).await;
    let until = given::head(&*log).await.expect("a head");
    for since in [None, Some(all[4].position)] {
        let expected: Vec<_> = all.iter().filter(|event| Some(event.position) > since).cloned().collect();
        let (mut seen, mut after) = (Vec::new(), since);
        loop {
            let page = log.examine(after, until, 3).await.unwrap();
            assert_eq!(page.findings, []);
            let Some(last) = page.entries.last() else { break };
            after = Some(last.position);
            seen.extend(page.entries.into_iter().map(|entry| entry.event.expect("an event")));
        }
        assert_eq!(seen, expected);
        let mut found = Vec::new();
        let options = Options { since, rules: false };
        let verified = verify(&*log, options, &mut |finding| found.push(finding), &|_, _| {}).await.unwrap();
        assert_eq!((verified.events, found.len()), (expected.len() as u64, expected.len()));
        assert!(found.iter().all(|finding| finding.kind == Kind::Undecodable), "{found:#?}");
    }
    assert_eq!(log.examine(Some(until), until, 3).await.unwrap().entries.len(), 0);
}

/// Many writers on several handles, while readers poll and follow: all see the same order, each at every moment a prefix
/// of what is there in the end.
pub async fn g3_readers_see_one_order_without_gaps(engine: &dyn Engine) {
    const WRITERS: usize = 24;
    const APPENDS: u64 = 15;
    let logs = [engine.open().await, engine.open().await, engine.open().await];
    let start = given::head(&*logs[0]).await;
    let finished = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> =
        logs.iter().map(|log| tokio::spawn(poll(log.clone(), start, finished.clone()))).collect();
    let followers: Vec<_> = logs
        .iter()
        .map(|log| tokio::spawn(follow(log.clone(), start, WRITERS * 2 * APPENDS as usize)))
        .collect();
    let writers = (0..WRITERS).map(|n| tokio::spawn(write(logs[n % 3].clone(), APPENDS)));
    let ours: HashSet<StreamId> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
    finished.store(true, Ordering::SeqCst);

    let truth = given::read_all_after(&*logs[0], start).await;
    assert!(truth.is_sorted_by(|one, next| one.position < next.position));
    let own = |events: &[RecordedEvent]| -> Vec<RecordedEvent> {
        events.iter().filter(|event| ours.contains(&event.stream)).cloned().collect()
    };
    assert_eq!(own(&truth).len(), WRITERS * 2 * APPENDS as usize);
    for reader in readers.into_iter().chain(followers) {
        let seen = reader.await.unwrap();
        assert_eq!(seen, truth[..seen.len()], "a reader saw another order than the log has in the end");
        assert!(own(&seen).len() == own(&truth).len(), "a reader ended early");
    }
    let mut next: HashMap<StreamId, u64> = HashMap::new();
    for event in own(&truth) {
        let revision = next.entry(event.stream).or_default();
        assert_eq!(event.revision.get(), *revision);
        *revision += 1;
    }
}

async fn write(log: Arc<dyn EventLog>, appends: u64) -> StreamId {
    let stream = given::stream();
    for n in 0..appends {
        let expected = Expected::after((n * 2).checked_sub(1).map(Revision::new));
        log.append(StreamAppend { expected, ..given::append(stream, 2) }).await.unwrap();
    }
    stream
}

async fn poll(
    log: Arc<dyn EventLog>,
    start: Option<Position>,
    finished: Arc<AtomicBool>,
) -> Vec<RecordedEvent> {
    let mut seen: Vec<RecordedEvent> = Vec::new();
    loop {
        let is_last = finished.load(Ordering::SeqCst);
        let after = seen.last().map(|event| event.position).or(start);
        let page = log.read_all(after, 50, &ReadFilter::all()).await.unwrap();
        if page.is_empty() && is_last {
            return seen;
        }
        seen.extend(page);
        tokio::task::yield_now().await;
    }
}

async fn follow(log: Arc<dyn EventLog>, start: Option<Position>, count: usize) -> Vec<RecordedEvent> {
    let mut subscription = log.subscribe(start, ReadFilter::all()).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < count {
        let batch = tokio::time::timeout(SOON, subscription.next(33)).await.expect("events come").unwrap();
        assert!((1..=33).contains(&batch.len()));
        seen.extend(batch);
    }
    seen
}

pub async fn g5_what_was_read_once_reads_the_same_later(engine: &dyn Engine) {
    let log = engine.open().await;
    let start = given::head(&*log).await;
    let stream = given::stream();
    log.append(given::append(stream, 5)).await.unwrap();
    let before = given::read_all_after(&*log, start).await;
    log.append(given::append_at(stream, 4, 5)).await.unwrap();
    let _ = log.append(given::append(stream, 1)).await.unwrap_err();
    let after = given::read_all_after(&*engine.open().await, start).await;
    assert_eq!(after[..before.len()], before);
}

pub async fn g6_a_subscriber_resumes_after_any_position(engine: &dyn Engine) {
    let (writer, log) = (engine.open().await, engine.open().await);
    let start = given::head(&*log).await;
    let stream = given::stream();
    writer.append(given::append(stream, 6)).await.unwrap();
    let caught_up = follow(log.clone(), start, 6).await;
    let follower = tokio::spawn(follow(log.clone(), caught_up.last().map(|event| event.position), 4));
    writer.append(given::append_at(stream, 5, 4)).await.unwrap();
    let live = follower.await.unwrap();
    let all: Vec<_> = caught_up.into_iter().chain(live).collect();
    assert_eq!(all, given::read_all_after(&*log, start).await);
    for (index, event) in all.iter().enumerate() {
        let rest = all.len() - index - 1;
        if rest > 0 {
            assert_eq!(follow(log.clone(), Some(event.position), rest).await, all[index + 1..]);
        }
    }
}

pub async fn g6_a_subscriber_that_gives_up_waiting_loses_nothing(engine: &dyn Engine) {
    let log = engine.open().await;
    let start = given::head(&*log).await;
    let mut subscription = log.subscribe(start, ReadFilter::all()).await.unwrap();
    let mut seen = Vec::new();
    let stream = given::stream();
    for n in 0..20_u64 {
        let expected = Expected::after(n.checked_sub(1).map(Revision::new));
        log.append(StreamAppend { expected, ..given::append(stream, 1) }).await.unwrap();
        tokio::select! {
            biased;
            batch = subscription.next(10) => seen.extend(batch.unwrap()),
            () = tokio::task::yield_now() => {}
        }
    }
    while seen.len() < 20 {
        seen.extend(tokio::time::timeout(SOON, subscription.next(10)).await.expect("events come").unwrap());
    }
    assert_eq!(seen, given::read_all_after(&*log, start).await);
}

pub async fn g6_a_filter_passes_its_categories_only(engine: &dyn Engine) {
    let log = engine.open().await;
    let start = given::head(&*log).await;
    let filter = ReadFilter { categories: vec![Category::Session, Category::Device], ..ReadFilter::all() };
    let mut subscription = log.subscribe(start, filter.clone()).await.unwrap();
    let categories =
        [Category::Session, Category::Account, Category::Account, Category::Device, Category::Session];
    for category in categories {
        log.append(given::append(StreamId::new(category, Uuid::new_v4()), 2)).await.unwrap();
    }
    let passed: Vec<_> = given::read_all_after(&*log, start).await;
    let passed: Vec<_> =
        passed.into_iter().filter(|event| filter.passes(event.stream.category, &event.event_type)).collect();
    assert_eq!(log.read_all(start, 100, &filter).await.unwrap(), passed);
    assert_eq!(log.read_all(start, 3, &filter).await.unwrap(), passed[..3]);
    let mut seen = Vec::new();
    while seen.len() < 6 {
        seen.extend(tokio::time::timeout(SOON, subscription.next(2)).await.expect("events come").unwrap());
    }
    assert_eq!(seen, passed);
    assert_eq!(log.read_all(seen.last().map(|event| event.position), 9, &filter).await.unwrap(), []);
}

pub async fn g6_a_filter_passes_its_types_only(engine: &dyn Engine) {
    let log = engine.open().await;
    let start = given::head(&*log).await;
    let pinned =
        |n| NewEvent { event_type: "conversation.message_pinned", ..given::event(format!("pin {n}")) };
    let append = given::append(given::stream(), 4);
    let events = append.events.iter().cloned().chain((0..3).map(pinned)).collect();
    log.append(StreamAppend { events, ..append.clone() }).await.unwrap();
    let both = ReadFilter {
        categories: vec![Category::Conversation],
        event_types: vec!["conversation.message_pinned", "conversation.created"],
    };
    let neither = ReadFilter { categories: vec![Category::Account], ..both.clone() };
    let passed = log.read_all(start, 100, &both).await.unwrap();
    let passed: Vec<_> = passed.iter().filter(|event| event.stream == append.stream).collect();
    assert_eq!(passed.len(), 3);
    assert!(passed.iter().all(|event| event.event_type == "conversation.message_pinned"));
    let others = log.read_all(start, 100, &neither).await.unwrap();
    assert!(others.iter().all(|event| event.stream != append.stream));
}

pub async fn the_last_snapshot_of_each_of_two_versions_is_kept(engine: &dyn Engine) {
    let log = engine.open().await;
    let stream = given::stream();
    let snapshot = |revision, state_version| Snapshot {
        stream,
        revision: Revision::new(revision),
        record_hash: Digest::from_bytes([state_version as u8; 32]),
        state_version,
        state: Bytes::from(format!("{revision} {state_version}")),
    };
    let load = async |state_version| log.load_snapshot(stream, state_version).await.unwrap();
    for stored in [snapshot(5, 1), snapshot(9, 1), snapshot(7, 1), snapshot(7, 2)] {
        log.store_snapshot(stored.clone()).await.unwrap();
        assert_eq!(load(stored.state_version).await, Some(stored));
    }
    // Servers of one release and of the next find their own, whoever stored last.
    log.store_snapshot(snapshot(8, 1)).await.unwrap();
    assert_eq!((load(1).await, load(2).await), (Some(snapshot(8, 1)), Some(snapshot(7, 2))));
    log.store_snapshot(snapshot(9, 3)).await.unwrap();
    assert_eq!((load(1).await, load(2).await), (None, Some(snapshot(7, 2))));
    assert_eq!(load(3).await, Some(snapshot(9, 3)));
}

pub async fn the_head_moves_with_the_log(engine: &dyn Engine) {
    let (log, other) = (engine.open().await, engine.open().await);
    let before = log.head().await.unwrap();
    let appended = log.append(given::append(given::stream(), 1)).await.unwrap();
    let after = other.head().await.unwrap();
    assert_eq!(before.incarnation, after.incarnation);
    assert!(before.position < after.position && after.position >= Some(appended.position));
}

pub async fn a_log_that_is_adopted_has_another_name_and_the_same_events(engine: &dyn Engine) {
    let (log, other) = (engine.open().await, engine.open().await);
    let appended = log.append(given::append(given::stream(), 1)).await.unwrap();
    let before = log.head().await.unwrap();
    for made in [Incarnation(Uuid::new_v4()), Incarnation(Uuid::new_v4())] {
        // Twice, as by somebody who did not see the answer.
        log.adopt(made).await.unwrap();
        log.adopt(made).await.unwrap();
        for log in [&log, &other, &engine.open().await] {
            assert_eq!(log.head().await.unwrap(), Head { incarnation: made, ..before });
        }
    }
    let read = other.event_at(appended.position).await.unwrap();
    assert_eq!(read.map(|event| event.position), Some(appended.position));
    let next = log.append(given::append(given::stream(), 1)).await.unwrap();
    assert!(next.position > appended.position);
}
