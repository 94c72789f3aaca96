//! What a log engine measures.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Bounds of append times in seconds: from one flush of a fast disk to the patience of callers.
const SECONDS: [f64; 13] =
    [0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 5.0];
/// Bounds of batch sizes in events.
const EVENTS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// For how long an append that failed shows that appends fail, when none has been answered since.
const FAILURE_SHOWN: Duration = Duration::from_secs(5);

/// The metrics of one engine. Clones share them.
#[derive(Clone, Debug)]
pub struct LogMetrics {
    appends: IntCounterVec,
    written: IntCounter,
    replayed: IntCounter,
    conflicts: IntCounter,
    overloaded: IntCounter,
    unavailable: IntCounter,
    events: IntCounter,
    append_seconds: Histogram,
    batch_events: Histogram,
    queue_events: IntGauge,
    queue_bytes: IntGauge,
    reconnects: IntCounter,
    append_locks: IntCounterVec,
    position: IntGauge,
    foreign: IntCounter,
    /// When the last append failed, unless one has been answered since.
    failed_at: Arc<Mutex<Option<Instant>>>,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Written,
    Replayed,
    Conflict,
    Unavailable,
}

impl LogMetrics {
    /// Metrics of a named engine, all zero, not registered anywhere.
    pub(crate) fn new(engine: &str) -> prometheus::Result<Self> {
        let opts = |name: &str, help: &str| Opts::new(name, help).const_label("engine", engine);
        let counter = |name, help| IntCounter::with_opts(opts(name, help));
        let gauge = |name, help| IntGauge::with_opts(opts(name, help));
        let appends = IntCounterVec::new(
            opts("envoi_log_appends_total", "Appends by what became of them."),
            &["outcome"],
        )?;
        Ok(Self {
            written: appends.with_label_values(&["written"]),
            replayed: appends.with_label_values(&["replayed"]),
            conflicts: appends.with_label_values(&["conflict"]),
            overloaded: appends.with_label_values(&["overloaded"]),
            unavailable: appends.with_label_values(&["unavailable"]),
            appends,
            events: counter("envoi_log_events_total", "Events written.")?,
            append_seconds: histogram(
                opts("envoi_log_append_seconds", "Time from an append's arrival to its answer."),
                &SECONDS,
            )?,
            batch_events: histogram(opts("envoi_log_batch_events", "Events written together."), &EVENTS)?,
            queue_events: gauge("envoi_log_queue_events", "Events waiting for the writer.")?,
            queue_bytes: gauge("envoi_log_queue_bytes", "Bytes waiting for the writer.")?,
            reconnects: counter("envoi_log_reconnects_total", "Connections made after one was lost.")?,
            append_locks: IntCounterVec::new(
                opts(
                    "envoi_log_append_locks_total",
                    "Times that the append lock was taken to decide under it, by whether all was decided in time.",
                ),
                &["outcome"],
            )?,
            position: gauge("envoi_log_position", "Last known position of the log, as its engine counts.")?,
            foreign: counter(
                "envoi_log_foreign_events_total",
                "Events found in our streams that Envoi did not write.",
            )?,
            failed_at: Arc::default(),
        })
    }

    /// Adds them to a registry.
    ///
    /// # Errors
    /// When metrics of these names are there already.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.appends.clone()))?;
        registry.register(Box::new(self.events.clone()))?;
        registry.register(Box::new(self.append_seconds.clone()))?;
        registry.register(Box::new(self.batch_events.clone()))?;
        registry.register(Box::new(self.queue_events.clone()))?;
        registry.register(Box::new(self.queue_bytes.clone()))?;
        registry.register(Box::new(self.reconnects.clone()))?;
        registry.register(Box::new(self.append_locks.clone()))?;
        registry.register(Box::new(self.position.clone()))?;
        registry.register(Box::new(self.foreign.clone()))
    }

    pub(crate) fn appended(&self, outcome: Outcome, took: Duration) {
        match outcome {
            Outcome::Written => self.written.inc(),
            Outcome::Replayed => self.replayed.inc(),
            Outcome::Conflict => self.conflicts.inc(),
            Outcome::Unavailable => self.unavailable.inc(),
        }
        self.append_seconds.observe(took.as_secs_f64());
        let failed = (outcome == Outcome::Unavailable).then(Instant::now);
        *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }

    /// Whether the last append that was tried failed, not long ago.
    pub(crate) fn is_failing(&self) -> bool {
        let failed_at = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        failed_at.is_some_and(|at| at.elapsed() < FAILURE_SHOWN)
    }

    pub(crate) fn locked(&self, outcome: &str) {
        self.append_locks.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn refused(&self) {
        self.overloaded.inc();
    }

    pub(crate) fn batch(&self, events: usize, position: u64) {
        self.events.inc_by(events as u64);
        self.batch_events.observe(events as f64);
        self.position.set(i64::try_from(position).unwrap_or(i64::MAX));
    }

    pub(crate) fn waiting(&self, events: usize, bytes: usize) {
        self.queue_events.set(i64::try_from(events).unwrap_or(i64::MAX));
        self.queue_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// The log is known to reach to this position.
    #[cfg(feature = "eventstoredb")]
    pub(crate) fn reached(&self, position: crate::Position) {
        let position = i64::try_from(position.get()).unwrap_or(i64::MAX);
        self.position.set(position.max(self.position.get()));
    }

    /// Something that Envoi did not write was found.
    #[cfg(feature = "eventstoredb")]
    pub(crate) fn foreign(&self) {
        self.foreign.inc();
    }

    pub(crate) fn reconnected(&self) {
        self.reconnects.inc();
    }
}

fn histogram(opts: Opts, buckets: &[f64]) -> prometheus::Result<Histogram> {
    Histogram::with_opts(HistogramOpts::from(opts).buckets(buckets.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_registers_under_a_name_of_the_log() {
        let registry = Registry::new();
        LogMetrics::new("memory").unwrap().register(&registry).unwrap();
        let families = registry.gather();
        assert_eq!(families.len(), 9);
        assert!(families.iter().all(|family| family.name().starts_with("envoi_log_")));
    }
}
