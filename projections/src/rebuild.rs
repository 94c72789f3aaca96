//! Rebuild: fills tables of a new generation from the log beside the live ones, through the same fold, then switches.
//!
//! One reader passes over the log for all projections that are rebuilt together; each has a builder with a connection of
//! its own. A rebuild that is broken off leaves nothing but a schema that the next one removes.

mod builder;
mod switch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use eventstore_schema::database::Config;
use eventstore_schema::lease::Leases;
use eventstore_schema::{EventLog, Head, LogError, Position, ReadFilter};
use futures_util::future::try_join_all;
use tokio::sync::mpsc;

use crate::projector::{Item, Projector};
use crate::store::StoreError;
pub(crate) use builder::{Builder, Keying, Scope, lease_name, next_generation};

/// Events in one page of the log, folded in one transaction: enough that statements cost little by event.
const PAGE_EVENTS: usize = 8_192;
/// Pages that the reader may be ahead of the slowest builder.
const PAGES_AHEAD: usize = 3;
/// A rebuild is abreast of the log when fewer events than this are left; the rest is folded at the switch.
const ABREAST_EVENTS: u64 = 1_024;
/// Least time between two reports of progress.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// Why a rebuild did not come to its end. The live tables are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Rows could not be loaded or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The projection is being rebuilt elsewhere.
    #[error("{projection} is being rebuilt or verified by {holder} already")]
    Busy {
        /// The projection.
        projection: &'static str,
        /// Host and process.
        holder: String,
    },
    /// The process is being shut down.
    #[error("the rebuild was broken off")]
    Aborted,
    /// Queries held the views for too long.
    #[error("the views of {projection} could not be switched: long queries hold them")]
    SwitchTimeout {
        /// The projection.
        projection: &'static str,
    },
}

/// How far a rebuild is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RebuildProgress {
    /// Events folded.
    pub events: u64,
    /// Events there are to fold, as positions tell; an estimate where the engine's positions have gaps.
    pub events_total: u64,
    /// Events folded a second so far.
    pub events_per_second: f64,
    /// How long it will go on at that rate.
    pub remaining: Duration,
}

/// What a rebuild came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebuilt {
    /// Events folded.
    pub events: u64,
    /// How long it took, from the first event to the last switch.
    pub elapsed: Duration,
    /// The projections and their new generations.
    pub generations: Vec<(&'static str, i32)>,
}

/// Fills the tables of `projectors` anew and switches to them, however they are now.
///
/// # Errors
/// See [`RebuildError`].
pub async fn rebuild(
    config: &Config,
    log: Arc<dyn EventLog>,
    projectors: Vec<Arc<dyn Projector>>,
    report: &(dyn Fn(RebuildProgress) + Send + Sync),
) -> Result<Rebuilt, RebuildError> {
    rebuild_under(&Leases::start(config), config, log, projectors, report).await
}

/// As [`rebuild`], under leases that are renewed with others of the process.
pub(crate) async fn rebuild_under(
    leases: &Leases,
    config: &Config,
    log: Arc<dyn EventLog>,
    projectors: Vec<Arc<dyn Projector>>,
    report: &(dyn Fn(RebuildProgress) + Send + Sync),
) -> Result<Rebuilt, RebuildError> {
    match fill(leases, config, &log, &projectors, report, Keying::Late).await {
        // Some row was added twice. With keys from the start, the event that did it is found and parked.
        Err(RebuildError::Store(error)) if error.is_unique_violation() => {
            fill(leases, config, &log, &projectors, report, Keying::Early).await
        }
        result => result,
    }
}

async fn fill(
    leases: &Leases,
    config: &Config,
    log: &Arc<dyn EventLog>,
    projectors: &[Arc<dyn Projector>],
    report: &(dyn Fn(RebuildProgress) + Send + Sync),
    keying: Keying,
) -> Result<Rebuilt, RebuildError> {
    let started = Instant::now();
    let head = log.head().await?;
    let builders = projectors
        .iter()
        .map(|projector| Builder::begin(leases, config, Arc::clone(projector), head.incarnation, keying));
    let mut builders = try_join_all(builders).await?;
    let mut meter = Meter::new(head, report);
    let mut after = None;
    (builders, after) = pass(log, builders, after, None, &mut meter).await?;
    try_join_all(builders.iter_mut().map(Builder::index)).await?;
    loop {
        let before = meter.events;
        (builders, after) = pass(log, builders, after, None, &mut meter).await?;
        if meter.events.saturating_sub(before) < ABREAST_EVENTS {
            break;
        }
    }
    let mut generations = Vec::new();
    for builder in builders {
        generations.push((builder.name(), builder.generation()));
        switch::switch(builder, &**log).await?;
    }
    Ok(Rebuilt { events: meter.events, elapsed: started.elapsed(), generations })
}

/// Folds what the log holds behind `after`, up to and including `until`, into all builders at once.
pub(crate) async fn pass(
    log: &Arc<dyn EventLog>,
    builders: Vec<Builder>,
    after: Option<Position>,
    until: Option<Position>,
    meter: &mut Meter<'_>,
) -> Result<(Vec<Builder>, Option<Position>), RebuildError> {
    let (pages, folding): (Vec<_>, Vec<_>) = builders
        .into_iter()
        .map(|builder| {
            let (send, receive) = mpsc::channel(PAGES_AHEAD);
            (send, tokio::spawn(builder.fold_all(receive)))
        })
        .unzip();
    let read = read_pages(log, after, until, &pages, meter).await;
    drop(pages);
    let mut builders = Vec::new();
    for task in folding {
        builders.push(task.await.map_err(|_| RebuildError::Aborted)??);
    }
    Ok((builders, read?))
}

/// Reads and decodes ahead of the builders. Ends at the end of the log, or when a builder has failed.
async fn read_pages(
    log: &Arc<dyn EventLog>,
    mut after: Option<Position>,
    until: Option<Position>,
    builders: &[mpsc::Sender<Arc<[Item]>>],
    meter: &mut Meter<'_>,
) -> Result<Option<Position>, RebuildError> {
    let fetch = |after| {
        let log = Arc::clone(log);
        tokio::spawn(async move { log.read_all(after, PAGE_EVENTS, &ReadFilter::all()).await })
    };
    let mut next = fetch(after);
    loop {
        let mut page = next.await.map_err(|_| RebuildError::Aborted)??;
        if let Some(until) = until {
            page.retain(|event| event.position <= until);
        }
        let Some(last) = page.last() else { return Ok(after) };
        after = Some(last.position);
        next = fetch(after);
        let items: Arc<[Item]> = page.into_iter().map(Item::new).collect();
        for builder in builders {
            if builder.send(Arc::clone(&items)).await.is_err() {
                next.abort();
                return Ok(after);
            }
        }
        meter.count(items.len(), after);
    }
}

/// Counts events and reports now and then.
pub(crate) struct Meter<'a> {
    started: Instant,
    reported: Option<Instant>,
    pub(crate) events: u64,
    head: u64,
    report: &'a (dyn Fn(RebuildProgress) + Send + Sync),
}

impl<'a> Meter<'a> {
    pub(crate) fn new(head: Head, report: &'a (dyn Fn(RebuildProgress) + Send + Sync)) -> Self {
        let head = head.position.map_or(0, Position::get);
        Self { started: Instant::now(), reported: None, events: 0, head, report }
    }

    fn count(&mut self, events: usize, at: Option<Position>) {
        self.events = self.events.saturating_add(u64::try_from(events).unwrap_or(u64::MAX));
        let at = at.map_or(0, Position::get);
        let is_end = at >= self.head;
        if self.reported.is_some_and(|reported| reported.elapsed() < REPORT_EVERY) && !is_end {
            return;
        }
        self.reported = Some(Instant::now());
        let elapsed = self.started.elapsed().as_secs_f64();
        let done = at as f64 / self.head.max(1) as f64;
        let remaining = if done > 0.0 { (elapsed / done - elapsed).max(0.0) } else { 0.0 };
        (self.report)(RebuildProgress {
            events: self.events,
            events_total: (self.events as f64 / done.clamp(f64::MIN_POSITIVE, 1.0)) as u64,
            events_per_second: self.events as f64 / elapsed.max(f64::MIN_POSITIVE),
            remaining: Duration::try_from_secs_f64(remaining).unwrap_or(Duration::MAX),
        });
    }
}
