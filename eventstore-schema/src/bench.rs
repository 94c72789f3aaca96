//! How fast the log takes appends, and how fast it could: the same rows by plain SQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::{
    Actor, Category, CommandId, CorrelationId, DeviceId, Digest, EventId, OrganizationId, Timestamp,
};
use futures_util::StreamExt;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::envelope::{CommandRef, Origin, Revision, StreamId};
use crate::log::{AppendError, EventLog, Expected, LogError, NewEvent, ReadFilter, StreamAppend};
use crate::sealed::{KeyRef, Tenant};

/// Size of an open part in the bench: that of a message's.
const PAYLOAD_BYTES: usize = 96;
/// Size of a sealed part in the bench: that of a short message's.
const SEALED_BYTES: usize = 320;
/// Events that a subscriber takes at once, as the feed does.
const SUBSCRIBED_BATCH: usize = 512;

/// In which order ids come, and with them the places of indexes that are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Later ids behind earlier ones, as UUIDv7.
    InOrder,
    /// Everywhere, as ids that are made of hashes.
    AtRandom,
}

/// Makes ids that no other run of the bench makes.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    run: Uuid,
    order: Order,
}

impl Ids {
    /// Ids of a run, which is named by some id made for it: at random.
    pub const fn of_run(run: Uuid) -> Self {
        Self { run, order: Order::AtRandom }
    }

    /// The same in an order.
    pub const fn ordered(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// The `n`th id of its kind. At random they spread, so that indexes are met as in earnest, and cost next to nothing.
    fn make(&self, kind: u64, caller: u64, n: u64) -> Uuid {
        let (high, low) = self.run.as_u64_pair();
        let high = mix(high ^ mix(kind ^ mix(caller)));
        let (first, second) = (mix(high ^ n), mix(low ^ high.rotate_left(32) ^ n));
        Uuid::from_u64_pair(if self.order == Order::InOrder { n } else { first }, second)
    }
}

/// The output function of SplitMix64 (Steele, Lea, Flood 2014).
const fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Has `callers` tasks append one event at a time, each to a stream of its own, for a while; gives appends per second.
/// What comes before `warm_up` is over does not count.
///
/// # Errors
/// The first append that failed.
pub async fn appends_per_second(
    log: Arc<dyn EventLog>,
    ids: Ids,
    callers: u64,
    warm_up: Duration,
    measured: Duration,
) -> Result<f64, AppendError> {
    let counted = Arc::new(AtomicU64::new(0));
    let finished = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let (log, counted, finished) = (log.clone(), counted.clone(), finished.clone());
        tasks.spawn(async move {
            let mut last = None;
            for n in 0.. {
                if finished.load(Ordering::Relaxed) {
                    break;
                }
                let appended = log.append(append(ids, caller, n, last)).await?;
                last = Some(appended.last_revision);
                counted.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
    }
    tokio::time::sleep(warm_up).await;
    let (start, before) = (Instant::now(), counted.load(Ordering::Relaxed));
    tokio::time::sleep(measured).await;
    let (took, after) = (start.elapsed(), counted.load(Ordering::Relaxed));
    finished.store(true, Ordering::Relaxed);
    while let Some(result) = tasks.join_next().await {
        result.unwrap_or(Ok(()))?;
    }
    Ok((after - before) as f64 / took.as_secs_f64())
}

/// Events of a stream of a filled log: as a conversation's, a session's and a device's on average.
const FILLED_STREAM_EVENTS: u64 = 16;
/// Streams that are written to in one call while a log is filled.
const FILLED_TOGETHER: u64 = 32;
/// Calls under way at once: what they bring stays far below what may wait.
const FILLING_CALLS: usize = 8;
/// Where the streams of [`microseconds_by_append`] begin: behind all of a filled log.
const MEASURED_STREAMS: u64 = 1 << 40;

/// Fills a log with at least so many events, of one command each.
///
/// # Errors
/// The first append that failed.
pub async fn fill(
    log: &dyn EventLog,
    ids: Ids,
    events: u64,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), AppendError> {
    let by_call = FILLED_TOGETHER * FILLED_STREAM_EVENTS;
    let calls = (0..events.div_ceil(by_call)).map(|call| async move {
        let appends = (0..by_call).map(|n| {
            let revision = n / FILLED_TOGETHER;
            let stream = call * FILLED_TOGETHER + n % FILLED_TOGETHER;
            append(ids, stream, call * by_call + n, revision.checked_sub(1).map(Revision::new))
        });
        log.append_in_order(appends.collect()).await.into_iter().try_for_each(|result| result.map(|_| ()))
    });
    let mut calls = futures_util::stream::iter(calls).buffer_unordered(FILLING_CALLS);
    let mut done = 0;
    while let Some(result) = calls.next().await {
        result?;
        done += by_call;
        progress(done);
    }
    Ok(())
}

/// Has `callers` append `each` events to a stream of their own, one at a time; gives microseconds by append. `first` numbers what
/// nobody has appended yet.
///
/// # Errors
/// The first append that failed.
pub async fn microseconds_by_append(
    log: &dyn EventLog,
    ids: Ids,
    first: u64,
    callers: u64,
    each: u64,
) -> Result<f64, AppendError> {
    let start = Instant::now();
    let tasks = (0..callers).map(|caller| async move {
        let mut last = None;
        for n in 0..each {
            let append = append(ids, MEASURED_STREAMS + first + caller, first + n * callers + caller, last);
            last = Some(log.append(append).await?.last_revision);
        }
        Ok(())
    });
    futures_util::future::try_join_all(tasks).await?;
    Ok(start.elapsed().as_secs_f64() * 1e6 / (callers * each) as f64)
}

/// Follows a log from its start until it has read all there is, at most `events_max`; gives events per second.
///
/// # Errors
/// When the log cannot be read.
pub async fn subscribed_events_per_second(log: &dyn EventLog, events_max: u64) -> Result<f64, LogError> {
    let end = log.head().await?.position;
    let mut subscription = log.subscribe(None, ReadFilter::all()).await?;
    let (start, mut count, mut after) = (Instant::now(), 0, None);
    while after < end && count < events_max {
        let events = subscription.next(SUBSCRIBED_BATCH).await?;
        count += events.len() as u64;
        after = events.last().map(|event| event.position);
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// One event as sending a message makes it: the caller's `n`th, to a stream of the caller's own.
fn append(ids: Ids, caller: u64, n: u64, last: Option<Revision>) -> StreamAppend {
    let organization = OrganizationId::from(ids.make(0, 0, 0));
    let account = ids.make(1, caller, 0);
    let event = NewEvent {
        event_id: EventId::from(ids.make(2, caller, n)),
        event_type: "conversation.message_sent",
        version: 1,
        payload: Bytes::from_static(&[7; PAYLOAD_BYTES]),
        key_ref: Some(KeyRef {
            tenant: Tenant::Organization(organization),
            subject: domain::SubjectId::from_bytes(account.into_bytes()),
            period: None,
        }),
        sealed: Some(Bytes::from_static(&[9; SEALED_BYTES])),
    };
    let command = ids.make(3, caller, n);
    StreamAppend {
        stream: StreamId::new(Category::Conversation, ids.make(4, 0, caller)),
        expected: Expected::after(last),
        command: CommandRef { id: CommandId::from(command), fingerprint: Digest::from_bytes([5; 32]) },
        origin: Origin {
            organization_id: Some(organization),
            actor: Actor::account(domain::AccountId::from(account)),
            device_id: Some(DeviceId::from(ids.make(5, caller, 0))),
            correlation_id: CorrelationId::from(command),
            causation_id: None,
            recorded_at: Timestamp::from_micros(1_790_000_000_000_000),
        },
        events: vec![event],
        conditions: Vec::new(),
    }
}

/// Batch sizes among which the limit looks for the best.
const LIMIT_BATCHES: [i64; 4] = [128, 256, 512, 1_024];

/// Inserts the same rows into the same tables by plain SQL, made inside the server, one transaction a batch, with no check
/// and no client to speak of; gives events per second at the best batch size.
///
/// The connection is the owner's; the log is of no use afterwards.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn limit_events_per_second(
    client: &Client,
    streams: i64,
    measured: Duration,
) -> Result<f64, tokio_postgres::Error> {
    let (payload, sealed) = (vec![7_u8; PAYLOAD_BYTES], vec![9_u8; SEALED_BYTES]);
    let insert = client.prepare(include_str!("../sql/bench_limit.sql")).await?;
    client.execute("SELECT log.make_room(position + 5000000) FROM (SELECT coalesce(max(position), 0) AS position FROM log.events) last", &[]).await?;
    let mut best: f64 = 0.0;
    for batch in LIMIT_BATCHES {
        let ending: i64 =
            client.query_one("SELECT coalesce(max(position), 0) FROM log.events", &[]).await?.try_get(0)?;
        let (start, mut inserted) = (Instant::now(), 0);
        let share = measured / u32::try_from(LIMIT_BATCHES.len()).unwrap_or(1);
        while start.elapsed() < share {
            client.execute(&insert, &[&(ending + inserted), &batch, &streams, &payload, &sealed]).await?;
            inserted += batch;
        }
        best = best.max(inserted as f64 / start.elapsed().as_secs_f64());
    }
    Ok(best)
}
