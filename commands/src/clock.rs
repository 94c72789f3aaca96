//! Time, randomness and new ids: the one place of the write side that asks the machine for them.
//!
//! A [`Clock`] is made at the edge and passed in. Tests pass a manual one and move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use domain::Timestamp;
use uuid::Uuid;

/// Tells the time, makes random bytes and new ids. Clones share one source.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self { source: Source::System }
    }

    /// A clock that stands at `start` until it is moved; randomness is the machine's all the same.
    pub fn manual(start: Timestamp) -> Self {
        Self { source: Source::Manual(Arc::new(AtomicI64::new(start.as_micros()))) }
    }

    /// Moves a manual clock; the machine's stays.
    pub fn advance_seconds(&self, seconds: i64) {
        match &self.source {
            Source::System => {}
            Source::Manual(micros) => {
                micros.fetch_add(seconds.saturating_mul(1_000_000), Ordering::SeqCst);
            }
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match &self.source {
            Source::System => system_now(),
            Source::Manual(micros) => Timestamp::from_micros(micros.load(Ordering::SeqCst)),
        }
    }

    /// A new id, UUIDv7 (RFC 9562): ids made later sort later, to the millisecond.
    pub fn new_id<T: From<Uuid>>(&self) -> T {
        let millis = u64::try_from(self.now().as_micros() / 1_000).unwrap_or_default();
        T::from(uuid::Builder::from_unix_timestamp_millis(millis, &self.random()).into_uuid())
    }

    /// Bytes from the operating system's generator.
    ///
    /// A system that has no randomness to give cannot run this product: the process ends.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        if let Err(error) = getrandom::fill(&mut bytes) {
            tracing::error!(%error, "the operating system gives no random bytes: stopping");
            std::process::abort();
        }
        bytes
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn system_now() -> Timestamp {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_until_it_is_moved() {
        let clock = Clock::manual(Timestamp::from_micros(5));
        assert_eq!(clock.now(), Timestamp::from_micros(5));
        clock.clone().advance_seconds(2);
        assert_eq!(clock.now(), Timestamp::from_micros(2_000_005));
    }

    #[test]
    fn ids_are_version_7_and_sort_by_time() {
        let clock = Clock::manual(Timestamp::from_micros(1_700_000_000_000_000));
        let first: Uuid = clock.new_id();
        clock.advance_seconds(1);
        let second: Uuid = clock.new_id();
        assert_eq!(first.get_version_num(), 7);
        assert!(first < second);
    }
}
