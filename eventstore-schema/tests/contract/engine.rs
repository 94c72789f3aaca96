//! What the suite asks of an engine.

use std::sync::Arc;

use async_trait::async_trait;
use eventstore_schema::EventLog;

/// One log, possibly shared with other tests: the suite uses streams of its own and looks behind the head it found.
#[async_trait]
pub trait Engine: Send + Sync {
    /// A handle such as a process has: each call gives one that shares as little with the others as can be.
    async fn open(&self) -> Arc<dyn EventLog>;

    /// A handle that can have only a few appends waiting.
    async fn open_narrow(&self) -> Arc<dyn EventLog>;
}
