//! What pools tell about themselves, whenever they are asked.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGaugeVec, Opts, Registry};

use super::Pool;

/// The figures of named pools. Made when they are collected: a pool that is used pays nothing for them.
struct Figures {
    pools: Vec<(&'static str, Pool)>,
    connections: IntGaugeVec,
    connections_max: IntGaugeVec,
    waiting: IntGaugeVec,
}

/// Shows how full pools are in `registry`: once a process.
///
/// # Errors
/// When metrics of these names are in it already.
pub fn show_pools(registry: &Registry, pools: Vec<(&'static str, Pool)>) -> Result<(), prometheus::Error> {
    let gauge = |name, help, labels: &[&str]| IntGaugeVec::new(Opts::new(name, help), labels);
    let connections = gauge(
        "envoi_database_connections",
        "Connections of a pool, by whether somebody has them.",
        &["pool", "state"],
    )?;
    let connections_max =
        gauge("envoi_database_connections_max", "Connections that a pool may have.", &["pool"])?;
    let waiting = gauge("envoi_database_waiting", "Those who wait for a connection.", &["pool"])?;
    registry.register(Box::new(Figures { pools, connections, connections_max, waiting }))
}

impl Collector for Figures {
    fn desc(&self) -> Vec<&Desc> {
        [self.connections.desc(), self.connections_max.desc(), self.waiting.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        for (name, pool) in &self.pools {
            let status = pool.status();
            let lent = status.size.saturating_sub(status.available);
            self.connections.with_label_values(&[*name, "idle"]).set(count(status.available));
            self.connections.with_label_values(&[*name, "lent"]).set(count(lent));
            self.connections_max.with_label_values(&[*name]).set(count(status.max_size));
            self.waiting.with_label_values(&[*name]).set(count(status.waiting));
        }
        [self.connections.collect(), self.connections_max.collect(), self.waiting.collect()].concat()
    }
}
