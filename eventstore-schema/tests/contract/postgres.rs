//! The PostgreSQL engine, and what only it is asked: rights, partitions, a server that is killed.

mod append_lock;
mod crashes;
mod partitions;
mod refusals;
mod rights;
mod together;

use std::sync::Arc;

use async_trait::async_trait;
use eventstore_schema::testing::TestDatabase;
use eventstore_schema::{EventLog, PgEventLog, PgLogConfig};

use crate::crashes::Shared;
use crate::engine::Engine;

pub struct Postgres(TestDatabase);

impl Postgres {
    pub async fn create() -> Self {
        Self(TestDatabase::create().await)
    }

    async fn connect(&self, change: impl FnOnce(&mut PgLogConfig)) -> Arc<dyn EventLog> {
        let mut config = PgLogConfig::new(self.0.config());
        config.readers = 4;
        change(&mut config);
        Arc::new(PgEventLog::connect(config).await.unwrap())
    }
}

#[async_trait]
impl Engine for Postgres {
    async fn open(&self) -> Arc<dyn EventLog> {
        self.connect(|_| {}).await
    }

    async fn open_narrow(&self) -> Arc<dyn EventLog> {
        self.connect(|config| config.queue_events_max = 10).await
    }
}

impl Shared for Postgres {
    fn address(&self) -> String {
        self.0.url()
    }
}
