//! What the read side tells about itself.

use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

/// Metrics of all projections, labelled by projection.
#[derive(Clone)]
pub struct Metrics {
    pub(crate) position: IntGaugeVec,
    pub(crate) last_event: GaugeVec,
    pub(crate) leading: IntGaugeVec,
    pub(crate) events: IntCounterVec,
    pub(crate) parked: IntGaugeVec,
    pub(crate) failures: IntCounterVec,
    pub(crate) batch_seconds: HistogramVec,
}

impl Metrics {
    /// Makes the metrics and shows them in `registry`.
    ///
    /// # Errors
    /// When metrics of these names are in it already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name, help| IntGaugeVec::new(Opts::new(name, help), &["projection"]);
        let counter = |name, help| IntCounterVec::new(Opts::new(name, help), &["projection"]);
        let seconds =
            HistogramOpts::new("envoi_projection_batch_seconds", "Time to fold and commit a batch.")
                .buckets(vec![0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0]);
        let metrics = Self {
            position: gauge("envoi_projection_position", "Position of the last event folded.")?,
            last_event: GaugeVec::new(
                Opts::new(
                    "envoi_projection_last_event_timestamp_seconds",
                    "When the last event folded was recorded, since the Unix epoch.",
                ),
                &["projection"],
            )?,
            leading: gauge("envoi_projection_leading", "Whether this process leads the projection.")?,
            events: counter("envoi_projection_events_total", "Events folded by this process.")?,
            parked: gauge("envoi_projection_parked_streams", "Streams that wait for an operator.")?,
            failures: counter("envoi_projection_failures_total", "Times the projection had to start over.")?,
            batch_seconds: HistogramVec::new(seconds, &["projection"])?,
        };
        registry.register(Box::new(metrics.position.clone()))?;
        registry.register(Box::new(metrics.last_event.clone()))?;
        registry.register(Box::new(metrics.leading.clone()))?;
        registry.register(Box::new(metrics.events.clone()))?;
        registry.register(Box::new(metrics.parked.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.batch_seconds.clone()))?;
        Ok(metrics)
    }
}
