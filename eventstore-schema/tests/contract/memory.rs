//! The in-memory engine.

use std::sync::Arc;

use async_trait::async_trait;
use eventstore_schema::EventLog;
use eventstore_schema::memory::{Fault, MemoryEventLog};

use crate::engine::Engine;
use crate::given;

pub struct Memory(MemoryEventLog);

impl Memory {
    pub fn create() -> Self {
        Self(MemoryEventLog::new())
    }
}

#[async_trait]
impl Engine for Memory {
    async fn open(&self) -> Arc<dyn EventLog> {
        Arc::new(self.0.clone())
    }

    async fn open_narrow(&self) -> Arc<dyn EventLog> {
        let log = MemoryEventLog::with_places(4);
        let slow = Fault::Delay(std::time::Duration::from_millis(1));
        log.faults().on_next_appends(std::iter::repeat_n(slow, 1_000));
        Arc::new(log)
    }
}

#[tokio::test]
async fn an_append_that_fails_before_it_is_written_is_not_there() {
    let log = MemoryEventLog::new();
    log.faults().on_next_appends([Fault::FailBefore]);
    let append = given::append(given::stream(), 1);
    assert!(log.append(append.clone()).await.is_err());
    assert_eq!(log.head().await.unwrap().position, None);
    assert!(!log.append(append).await.unwrap().replayed);
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_there_once() {
    let log = MemoryEventLog::new();
    log.faults().on_next_appends([Fault::FailAfter]);
    let append = given::append(given::stream(), 2);
    assert!(log.append(append.clone()).await.is_err());
    assert!(log.append(append.clone()).await.unwrap().replayed);
    assert_eq!(given::read(&log, append.stream).await.len(), 2);
}
