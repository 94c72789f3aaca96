//! The EventStoreDB engine, and what only it is asked: faults of the way to the server, servers that are not as they should
//! be, events of others.
//!
//! The suite runs against a double of the server, or against the real one that `ENVOI_TEST_ESDB` names by its connection
//! string; each test has streams of its own there, so that it can run any number of times. What needs a fault is asked of
//! the double only.

mod cluster;
mod faults;
mod foreign;
mod refusals;

use std::sync::Arc;

use async_trait::async_trait;
use eventstore_double::{Double, DoubleConfig};
use eventstore_schema::database::{self, Role};
use eventstore_schema::testing::TestDatabase;
use eventstore_schema::{EsdbEventLog, EsdbLogConfig, EsdbSettings, EventLog, LogError};
use uuid::Uuid;

use crate::crashes::Shared;
use crate::engine::Engine;

/// Names the real server to test against.
const REAL_SERVER: &str = "ENVOI_TEST_ESDB";

pub struct Esdb {
    double: Option<Double>,
    url: String,
    prefix: String,
    database: TestDatabase,
}

impl Esdb {
    /// Over the real server if there is one, else over a double of its own.
    pub async fn create() -> Self {
        match std::env::var(REAL_SERVER) {
            Ok(url) => Self::at(url, None).await,
            Err(_) => Self::doubled().await,
        }
    }

    /// Over a double, which can be made to fail.
    pub async fn doubled() -> Self {
        Self::with(DoubleConfig::default()).await
    }

    pub async fn with(config: DoubleConfig) -> Self {
        let double = Double::start(config).await.unwrap();
        // The server's own events stand between ours, as they do in earnest.
        double.faults().write_stats_every(Some(5));
        Self::at(double.url(), Some(double)).await
    }

    pub async fn at(url: String, double: Option<Double>) -> Self {
        let prefix = format!("test_{}.", Uuid::new_v4().simple());
        Self { double, url, prefix, database: TestDatabase::create().await }
    }

    pub fn double(&mut self) -> &mut Double {
        self.double.as_mut().expect("this test has a double")
    }

    /// The name of a stream on the server.
    pub fn name(&self, stream: eventstore_schema::StreamId) -> String {
        format!("{}{stream}", self.prefix)
    }

    pub fn config(&self, url: &str) -> EsdbLogConfig {
        let snapshots = database::pool(&self.database.config(), Role::App, 2).unwrap();
        let mut config = EsdbLogConfig::new(EsdbSettings::parse(url).unwrap(), snapshots);
        config.stream_prefix = self.prefix.clone();
        config
    }

    pub async fn try_open(&self, url: &str) -> Result<Arc<dyn EventLog>, LogError> {
        Ok(Arc::new(EsdbEventLog::connect(self.config(url)).await?))
    }
}

#[async_trait]
impl Engine for Esdb {
    async fn open(&self) -> Arc<dyn EventLog> {
        self.try_open(&self.url).await.unwrap()
    }

    async fn open_narrow(&self) -> Arc<dyn EventLog> {
        let config = EsdbLogConfig { appends_max: 10, ..self.config(&self.url) };
        Arc::new(EsdbEventLog::connect(config).await.unwrap())
    }
}

impl Shared for Esdb {
    fn address(&self) -> String {
        format!("{} {} {}", self.url, self.prefix, self.database.url())
    }
}
