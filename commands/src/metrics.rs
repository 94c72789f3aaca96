//! What the write side tells about itself: `envoi_commands_*`, `envoi_reactions_*` and `envoi_revocations_*`.

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

/// The write side's metrics. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Commands by aggregate and outcome.
    pub commands: IntCounterVec,
    /// From a command's arrival to its answer, by aggregate.
    pub duration: HistogramVec,
    /// Commands of one stream that were appended together.
    pub batch: Histogram,
    /// Commands that were decided again because another writer came first.
    pub conflicts: IntCounter,
    /// States that were read from the log, by cause.
    pub loads: IntCounterVec,
    /// Appends that were repeated because their outcome was unknown.
    pub unknown_outcomes: IntCounter,
    /// Snapshots by outcome.
    pub snapshots: IntCounterVec,
    /// Commands that wait or are being executed.
    pub waiting: IntGauge,
    /// Streams whose state is held in memory.
    pub cells: IntGauge,
    /// Estimated bytes of state held in memory.
    pub cells_bytes: IntGauge,
    /// Events that reactions answered, by reaction and outcome.
    pub reactions: IntCounterVec,
    /// Age of the event that a reaction answered last, in seconds, by reaction.
    pub reaction_lag: GaugeVec,
    /// Events that a reaction set aside, by reaction.
    pub reactions_parked: IntGaugeVec,
    /// How long ago the oldest of them was set aside, in seconds, by reaction.
    pub reactions_parked_age: IntGaugeVec,
    /// Whether this process leads a reaction.
    pub reaction_leader: IntGaugeVec,
    /// From the command that revokes a session or device to its effect on this node's tokens, by way of the log.
    pub revocations_delay: Histogram,
    /// Whether this node follows revocations; while it does not, sessions are looked up one by one.
    pub revocations_following: IntGauge,
    /// Logins by outcome.
    pub logins: IntCounterVec,
    /// E-mails that reactions handed over or tried to, by e-mail and outcome.
    pub mails: IntCounterVec,
}

impl Metrics {
    /// Makes them and registers them.
    ///
    /// # Errors
    /// When one of the names is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self::new()?;
        registry.register(Box::new(metrics.commands.clone()))?;
        registry.register(Box::new(metrics.duration.clone()))?;
        registry.register(Box::new(metrics.batch.clone()))?;
        registry.register(Box::new(metrics.conflicts.clone()))?;
        registry.register(Box::new(metrics.loads.clone()))?;
        registry.register(Box::new(metrics.unknown_outcomes.clone()))?;
        registry.register(Box::new(metrics.snapshots.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.cells.clone()))?;
        registry.register(Box::new(metrics.cells_bytes.clone()))?;
        registry.register(Box::new(metrics.reactions.clone()))?;
        registry.register(Box::new(metrics.reaction_lag.clone()))?;
        registry.register(Box::new(metrics.reactions_parked.clone()))?;
        registry.register(Box::new(metrics.reactions_parked_age.clone()))?;
        registry.register(Box::new(metrics.reaction_leader.clone()))?;
        registry.register(Box::new(metrics.revocations_delay.clone()))?;
        registry.register(Box::new(metrics.revocations_following.clone()))?;
        registry.register(Box::new(metrics.logins.clone()))?;
        registry.register(Box::new(metrics.mails.clone()))?;
        Ok(metrics)
    }

    fn new() -> Result<Self, prometheus::Error> {
        let counters =
            |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let gauges = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &["reaction"]);
        let seconds = vec![0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
        let sizes = vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
        Ok(Self {
            commands: counters("envoi_commands_total", "Commands by outcome.", &["aggregate", "outcome"])?,
            duration: HistogramVec::new(
                HistogramOpts::new("envoi_commands_duration_seconds", "From arrival to answer.")
                    .buckets(seconds.clone()),
                &["aggregate"],
            )?,
            batch: Histogram::with_opts(
                HistogramOpts::new(
                    "envoi_commands_batch_commands",
                    "Commands of a stream appended together.",
                )
                .buckets(sizes),
            )?,
            conflicts: IntCounter::new(
                "envoi_commands_conflicts_total",
                "Commands decided again because another writer came first.",
            )?,
            loads: counters("envoi_commands_loads_total", "States read from the log.", &["aggregate"])?,
            unknown_outcomes: IntCounter::new(
                "envoi_commands_unknown_outcomes_total",
                "Appends repeated because their outcome was unknown.",
            )?,
            snapshots: counters("envoi_commands_snapshots_total", "Snapshots by outcome.", &["outcome"])?,
            waiting: IntGauge::new("envoi_commands_waiting", "Commands that wait or are being executed.")?,
            cells: IntGauge::new("envoi_commands_cells", "Streams whose state is held in memory.")?,
            cells_bytes: IntGauge::new(
                "envoi_commands_cells_bytes",
                "Estimated bytes of state held in memory.",
            )?,
            reactions: counters(
                "envoi_reactions_events_total",
                "Events that reactions answered.",
                &["reaction", "outcome"],
            )?,
            reaction_lag: GaugeVec::new(
                Opts::new("envoi_reactions_lag_seconds", "Age of the event answered last."),
                &["reaction"],
            )?,
            reactions_parked: gauges("envoi_reactions_parked_events", "Events that are set aside.")?,
            reactions_parked_age: gauges(
                "envoi_reactions_parked_age_seconds",
                "How long ago the oldest event was set aside.",
            )?,
            reaction_leader: gauges("envoi_reactions_leader", "Whether this process leads the reaction.")?,
            revocations_delay: Histogram::with_opts(
                HistogramOpts::new(
                    "envoi_revocations_delay_seconds",
                    "From a revocation to its effect on this node.",
                )
                .buckets(seconds),
            )?,
            revocations_following: IntGauge::new(
                "envoi_revocations_following",
                "Whether this node follows revocations.",
            )?,
            logins: counters("envoi_logins_total", "Logins by outcome.", &["outcome"])?,
            mails: counters("envoi_reactions_mails_total", "E-mails by outcome.", &["mail", "outcome"])?,
        })
    }
}
