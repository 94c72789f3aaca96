//! Benches: each makes what it needs (a private PostgreSQL, durable; a server where it takes one), measures, and cleans up.

pub mod append;
mod child;
pub mod growth;
pub mod rebuild;
pub mod send;
mod world;

use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;

use crate::cli::CliError;
use crate::config::Config;
use crate::runtime::Backend;
use crate::runtime::private::Private;

/// A private installation in a temporary directory, gone when it is dropped after [`Scratch::remove`].
pub struct Scratch {
    private: Private,
    directory: TempDir,
}

impl Scratch {
    /// Starts PostgreSQL and migrates.
    ///
    /// # Errors
    /// When PostgreSQL does not start.
    pub async fn start() -> Result<Self, CliError> {
        let directory = tempfile::Builder::new()
            .prefix("envoi-bench-")
            .tempdir_in("/var/tmp")
            .map_err(|error| CliError::failed("a temporary directory").because(&error))?;
        // PostgreSQL may run as another user, who has to get through.
        open_to_others(directory.path())?;
        let private = Private::start(&directory.path().join("envoi")).await?;
        Ok(Self { private, directory })
    }

    /// The installation.
    pub fn private(&self) -> &Private {
        &self.private
    }

    /// A configuration over it on free ports, without rate limits: the generator is one address.
    pub fn configuration(&self) -> Config {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = self.private.configuration(Config::default(), free, free);
        config.server.rate_limits = false;
        config.telemetry.filter = "error".to_owned();
        config
    }

    /// Everything behind the edge, without an edge.
    ///
    /// # Errors
    /// As [`Backend::connect`].
    pub async fn backend(&self) -> Result<Backend, CliError> {
        Backend::connect(&self.configuration()).await
    }

    /// Stops PostgreSQL and removes everything.
    ///
    /// # Errors
    /// When PostgreSQL does not stop.
    pub async fn remove(self) -> Result<(), CliError> {
        self.private.destroy().await?;
        self.directory
            .close()
            .map_err(|error| CliError::failed("removing the temporary directory").because(&error))
    }
}

fn open_to_others(directory: &std::path::Path) -> Result<(), CliError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o711))
        .map_err(|error| CliError::failed("the temporary directory").because(&error))
}

/// The median of some figures; 0 for none.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.len() % 2, sorted.get(middle), middle.checked_sub(1).and_then(|below| sorted.get(below))) {
        (1, Some(figure), _) => *figure,
        (_, Some(above), Some(below)) => (above + below) / 2.0,
        _ => 0.0,
    }
}

/// The value below which `share` of the sorted durations lie, in milliseconds; 0 for none.
pub fn percentile_ms(sorted: &[Duration], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let index = (last as f64 * share).round() as usize;
    sorted.get(index).map_or(0.0, |duration| duration.as_secs_f64() * 1_000.0)
}

/// What a figure was measured on.
pub fn machine() -> serde_json::Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    serde_json::json!({
        "cpu": model.trim_start_matches([' ', '\t', ':']), "cores": cores,
        "build": if cfg!(debug_assertions) { "debug" } else { "release" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
        let sorted: Vec<_> = (0..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile_ms(&sorted, 0.5), 50.0);
        assert_eq!(percentile_ms(&sorted, 0.99), 99.0);
        assert_eq!(percentile_ms(&[], 0.5), 0.0);
    }
}
