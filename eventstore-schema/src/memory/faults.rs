//! Failures on demand.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What happens to one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written, and it is reported as unavailable.
    FailBefore,
    /// It is written, and reported as unavailable: the answer was lost.
    FailAfter,
    /// It is refused as too much.
    Overloaded,
    /// It takes that much longer.
    Delay(Duration),
    /// Another writer comes first: the same events are recorded as another command.
    Overtaken,
}

/// The switches of one log.
#[derive(Default)]
pub struct Faults {
    next: Mutex<VecDeque<Fault>>,
    reads_fail: AtomicBool,
}

impl Faults {
    /// The next appends meet these faults, one each, in order; those after them none.
    pub fn on_next_appends(&self, faults: impl IntoIterator<Item = Fault>) {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// From now on reads fail, or no longer do.
    pub fn fail_reads(&self, fail: bool) {
        self.reads_fail.store(fail, Ordering::SeqCst);
    }

    pub(super) fn next(&self) -> Option<Fault> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(super) fn reads_fail(&self) -> bool {
        self.reads_fail.load(Ordering::SeqCst)
    }
}
