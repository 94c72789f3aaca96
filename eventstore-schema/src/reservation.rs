//! The right to append before any other process.

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::envelope::{RecordedEvent, Revision, StreamId};

/// The right to append before any other process, and what the log holds meanwhile. It may end at any moment, of which nobody
/// is told: an append that comes later is judged as every other.
pub struct Reservation {
    newest: Arc<dyn NewestEvents>,
    /// Dropped, it tells the engine that this one is done.
    _held: mpsc::Sender<()>,
}

/// The newest events of a log.
pub(crate) trait NewestEvents: Send + Sync {
    /// Events of a stream from a revision on, to its end; `None` when they are not at hand.
    fn of_stream(&self, stream: StreamId, from: Revision) -> Option<Vec<RecordedEvent>>;
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").finish_non_exhaustive()
    }
}

impl Reservation {
    pub(crate) fn new(newest: Arc<dyn NewestEvents>, held: mpsc::Sender<()>) -> Self {
        Self { newest, _held: held }
    }

    /// Events of a stream from a revision on, as far as it went when the reservation began, without asking the engine; `None`
    /// when they are not at hand.
    pub fn tail(&self, stream: StreamId, from: Revision) -> Option<Vec<RecordedEvent>> {
        self.newest.of_stream(stream, from)
    }
}
