//! Benches: each makes what it needs (a private PostgreSQL, durable; a server where it takes one), measures, and cleans up.

pub mod append;
mod child;
pub mod growth;
pub mod rebuild;
pub mod receipts;
pub mod resume;
pub mod send;
mod socket;
pub mod sockets;
mod world;

use std::time::Duration;

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
