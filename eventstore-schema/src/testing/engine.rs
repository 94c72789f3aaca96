//! Engines of the log to run a test over: it is written once, with [`crate::over_engines`] listing it for each of them.

use std::sync::Arc;
use std::time::Duration;

use eventstore_double::{Double, DoubleConfig};
use prometheus::Registry;

use crate::database::{self, Config, Role};
use crate::{EsdbEventLog, EsdbLogConfig, EsdbSettings, EventLog, PgEventLog, PgLogConfig};

/// Events of clients between two that the double writes by itself, as a server does.
const STATISTICS_EVERY: u64 = 5;

/// An engine that the product can keep its log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    #[default]
    Postgres,
    /// EventStoreDB, played by the double.
    EventStoreDb,
}

impl Engine {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Postgres, Self::EventStoreDb];
}

/// What differs from how a server opens its log.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogOptions {
    /// One-event appends that may wait at most.
    pub waiting_max: Option<usize>,
    /// How long an append is tried while the engine cannot be reached.
    pub patience: Option<Duration>,
    /// How long others wait for what is decided under the append lock.
    pub deciding_max: Option<Duration>,
}

/// A log of a test's own in some engine.
pub struct TestLog {
    database: Config,
    double: Option<Double>,
}

impl TestLog {
    /// An empty log. PostgreSQL keeps it in `database`, which has been migrated and stays the test's to look after;
    /// EventStoreDB keeps only snapshots there.
    pub async fn create(engine: Engine, database: &Config) -> Self {
        let double = match engine {
            Engine::Postgres => None,
            Engine::EventStoreDb => {
                let double = Double::start(DoubleConfig::default()).await.expect("a double");
                double.faults().write_stats_every(Some(STATISTICS_EVERY));
                Some(double)
            }
        };
        Self { database: database.clone(), double }
    }

    /// A handle such as a process has. Where EventStoreDB is among the engines of a process, its first handle has to be
    /// opened before anything sets up TLS.
    pub async fn open(&self) -> Arc<dyn EventLog> {
        self.open_with(LogOptions::default(), &Registry::new()).await
    }

    /// The same with other options, showing what it measures in `registry`.
    pub async fn open_with(&self, options: LogOptions, registry: &Registry) -> Arc<dyn EventLog> {
        let Some(double) = &self.double else {
            let mut config = PgLogConfig::new(self.database.clone());
            config.queue_events_max = options.waiting_max.unwrap_or(config.queue_events_max);
            config.patience = options.patience.unwrap_or(config.patience);
            config.deciding_max = options.deciding_max.unwrap_or(config.deciding_max);
            config.stopped_max = config.stopped_max.max(config.deciding_max);
            let log = PgEventLog::connect(config).await.expect("the log opens");
            log.metrics().register(registry).expect("metrics");
            return Arc::new(log);
        };
        let settings = EsdbSettings::parse(&double.url()).expect("a connection string");
        let snapshots = database::pool(&self.database, Role::App, 2).expect("a pool");
        let mut config = EsdbLogConfig::new(settings, snapshots);
        config.appends_max = options.waiting_max.unwrap_or(config.appends_max);
        config.patience = options.patience.unwrap_or(config.patience);
        let log = EsdbEventLog::connect(config).await.expect("the log opens");
        log.metrics().register(registry).expect("metrics");
        Arc::new(log)
    }

    /// What `log` says in the configuration of a server over it.
    pub fn setting(&self) -> String {
        self.double.as_ref().map_or_else(|| "postgres".to_owned(), Double::url)
    }

    /// Cuts every connection there is to what keeps the log; new ones are taken.
    pub async fn cut_connections(&self) {
        const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        match &self.double {
            Some(double) => double.faults().drop_connections(),
            None => {
                let client = database::connect(&self.database).await.expect("a connection");
                client.batch_execute(CUT).await.expect("connections are cut");
            }
        }
    }

    /// The double behind it, to make it fail; `None` over PostgreSQL.
    pub fn double(&mut self) -> Option<&mut Double> {
        self.double.as_mut()
    }
}

/// Lists tests once for every engine: each is an `async fn(Engine)` beside the list.
#[macro_export]
macro_rules! over_engines {
    ($($test:ident,)+) => {
        $crate::over_engines! { @over over_postgres, Postgres, $($test,)+ }
        $crate::over_engines! { @over over_eventstoredb, EventStoreDb, $($test,)+ }
    };
    (@over $module:ident, $engine:ident, $($test:ident,)+) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test($crate::testing::Engine::$engine).await;
                }
            )+
        }
    };
}
