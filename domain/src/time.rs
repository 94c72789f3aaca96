//! Time as a value: the domain never reads a clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How far the clocks of two machines may lie apart before one counts as wrong, in seconds: five minutes.
const CLOCKS_DIFFER_SECONDS: i64 = 300;
/// By how much a deadline may lie further ahead than any is set, in seconds: a day. It does no harm to keep one that long.
const DEADLINES_DIFFER_SECONDS: i64 = 86_400;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Wraps microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This moment moved by whole seconds, later for positive ones; it stops at the end of the range.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// Whether something that happened at this moment is less than `seconds` past, or ahead of `now` by as little as clocks
    /// differ. What lies further ahead was told by a clock that was wrong and counts as long past: nobody waits years for it.
    pub const fn is_recent(self, seconds: i64, now: Self) -> bool {
        now.0 < self.plus_seconds(seconds).0 && self.0 <= now.plus_seconds(CLOCKS_DIFFER_SECONDS).0
    }

    /// Whether this deadline lies ahead of `now`, by no more than `seconds_max` and a day in which clocks may differ: one
    /// further ahead was set by a clock that was wrong, and counts as over.
    pub const fn is_ahead(self, seconds_max: i64, now: Self) -> bool {
        now.0 < self.0 && self.0 <= now.plus_seconds(seconds_max.saturating_add(DEADLINES_DIFFER_SECONDS)).0
    }

    /// Time since another moment; none when that one is later, as by the clocks of two machines it may be.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "integer", "format": "timestamp-micros",
            "description": "Microseconds since 1970-01-01T00:00:00Z."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
    const YEARS: i64 = 34 * 365 * 86_400;

    #[test]
    fn what_a_wrong_clock_wrote_is_neither_recent_nor_ahead() {
        for seconds in [-59, 0, 59, 300] {
            assert!(NOW.plus_seconds(seconds).is_recent(60, NOW), "{seconds}");
        }
        for seconds in [-YEARS, -60, 301, YEARS] {
            assert!(!NOW.plus_seconds(seconds).is_recent(60, NOW), "{seconds}");
        }
        for seconds in [1, 60, 86_400] {
            assert!(NOW.plus_seconds(seconds).is_ahead(60, NOW), "{seconds}");
        }
        for seconds in [-YEARS, 0, 86_461, YEARS] {
            assert!(!NOW.plus_seconds(seconds).is_ahead(60, NOW), "{seconds}");
        }
        assert!(!Timestamp::from_micros(i64::MAX).is_recent(60, Timestamp::from_micros(i64::MIN)));
    }
}
