//! The read side as a whole: its tables in PostgreSQL, the log in memory, or in each engine where that makes a difference.

mod definitions;
mod feed;
mod follow;
mod large;
mod parked;
mod queries;
mod rebuild;
mod sync;
mod tenancy;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

use eventstore_schema::database::Config;
use eventstore_schema::lease::Leases;
use eventstore_schema::memory::MemoryEventLog;
use eventstore_schema::testing::{Engine, TestDatabase, TestLog};
use eventstore_schema::{EventLog, Position};
use prometheus::Registry;

use crate::retirement::Times;
use crate::testing::{World, database, edition};
use crate::{Feed, Metrics, Projections, Projector, State, TableDigest, digests, registry};

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// Read models that nobody uses for that long are dropped.
const SOON: Times = Times { tell_every: Duration::from_millis(100), unused_after: Duration::from_secs(2) };

/// A log, a world that writes to it, and a database for the read models.
struct Bench {
    database: TestDatabase,
    log: Arc<dyn EventLog>,
    /// The log, when it is the one in memory.
    memory: MemoryEventLog,
    world: World,
    _engine: Option<TestLog>,
}

impl Bench {
    /// Over a log in memory, which fails on demand.
    async fn new(seed: u64) -> Self {
        let memory = MemoryEventLog::new();
        let log: Arc<dyn EventLog> = Arc::new(memory.clone());
        let world = World::new(Arc::clone(&log), seed);
        Self { database: database().await, log, memory, world, _engine: None }
    }

    /// Over a log that runs in production.
    async fn over(engine: Engine, seed: u64) -> Self {
        let database = database().await;
        // Databases are copies of one: each is to be another log.
        let renamed = "UPDATE log.identity SET incarnation = gen_random_uuid()";
        database.client().await.execute(renamed, &[]).await.expect("another log");
        let engine = TestLog::create(engine, &database.config()).await;
        let log = engine.open().await;
        let world = World::new(Arc::clone(&log), seed);
        Self { database, log, memory: MemoryEventLog::new(), world, _engine: Some(engine) }
    }

    fn config(&self) -> Config {
        self.database.config()
    }

    fn log(&self) -> Arc<dyn EventLog> {
        Arc::clone(&self.log)
    }

    async fn start(&self) -> Projections {
        self.start_with(registry(), true).await
    }

    async fn start_with(&self, projectors: Vec<Arc<dyn Projector>>, leads: bool) -> Projections {
        let feed = Arc::new(Feed::start(self.log()).await.expect("a feed"));
        let metrics = Metrics::register(&Registry::new()).expect("metrics");
        let leases = Leases::start(&self.config());
        Projections::start(&self.config(), &feed, projectors, &metrics, leads.then_some(&leases))
    }

    /// As a release whose read models nobody misses after a moment.
    async fn start_edition(&self, number: u32, leads: bool) -> Projections {
        let feed = Arc::new(Feed::start(self.log()).await.expect("a feed"));
        let metrics = Metrics::register(&Registry::new()).expect("metrics");
        let leases = Leases::start(&self.config());
        let (config, projectors, leases) = (self.config(), edition(number), leads.then_some(&leases));
        Projections::start_with(&config, &feed, projectors, &metrics, leases, SOON)
    }

    fn head(&self) -> Position {
        self.world.position().expect("a world with events")
    }

    async fn digests(&self) -> Vec<(Option<Position>, Vec<TableDigest>)> {
        let mut all = Vec::new();
        for projector in registry() {
            all.push(digests(&self.config(), &*projector).await.expect("digests"));
        }
        all
    }
}

/// Waits until something holds.
async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it holds in the end");
}

async fn wait_for_state(projections: &Projections, projection: &str, state: State) {
    eventually(async || {
        projections.progress().iter().any(|(name, progress)| *name == projection && progress.state == state)
    })
    .await;
}
