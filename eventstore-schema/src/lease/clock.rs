//! A clock that runs while the machine sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Tells how long ago something was, suspended machines included (`CLOCK_BOOTTIME`, clock_gettime(2)): by the ordinary
/// monotonic clock a lease would look fresh on a machine that slept through its end. Clones share one source.
#[derive(Clone, Debug)]
pub struct Boottime(Option<Arc<AtomicU64>>);

impl Boottime {
    /// The machine's.
    pub fn system() -> Self {
        Self(None)
    }

    /// One that stands until it is moved.
    pub fn manual() -> Self {
        Self(Some(Arc::default()))
    }

    /// Moves a manual clock; the machine's goes on by itself.
    pub fn advance(&self, by: Duration) {
        if let Self(Some(millis)) = self {
            millis.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }

    /// Milliseconds since a moment that stays the same.
    pub(super) fn millis(&self) -> u64 {
        match self {
            Self(Some(millis)) => millis.load(Ordering::SeqCst),
            Self(None) => {
                let now = clock_gettime(ClockId::Boottime);
                let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
                seconds * 1_000 + u64::try_from(now.tv_nsec).unwrap_or_default() / 1_000_000
            }
        }
    }

    /// Time since a moment in [`Boottime::millis`].
    pub(super) fn since(&self, millis: u64) -> Duration {
        Duration::from_millis(self.millis().saturating_sub(millis))
    }
}
