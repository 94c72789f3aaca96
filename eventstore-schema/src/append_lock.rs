//! The append lock as a writer may hold it.

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::envelope::{RecordedEvent, Revision, StreamId};

/// Keeps every other process from appending, and has at hand what they appended before. It lasts for milliseconds and may end
/// at any moment, of which nobody is told: an append that comes later is judged as every other.
pub struct AppendLock {
    newest: Arc<dyn NewestEvents>,
    /// Dropped, it tells the engine that the lock may end.
    _held: mpsc::Sender<()>,
}

/// The newest events of a log.
pub(crate) trait NewestEvents: Send + Sync {
    /// Events of a stream from a revision on, to its end; `None` when they are not at hand.
    fn of_stream(&self, stream: StreamId, from: Revision) -> Option<Vec<RecordedEvent>>;
}

impl fmt::Debug for AppendLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppendLock").finish_non_exhaustive()
    }
}

impl AppendLock {
    pub(crate) fn new(newest: Arc<dyn NewestEvents>, held: mpsc::Sender<()>) -> Self {
        Self { newest, _held: held }
    }

    /// Events of a stream from a revision on: at least all that were recorded before the lock was had. `None` when they are not at
    /// hand.
    pub fn tail(&self, stream: StreamId, from: Revision) -> Option<Vec<RecordedEvent>> {
        self.newest.of_stream(stream, from)
    }
}
