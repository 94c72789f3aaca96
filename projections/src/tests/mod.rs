//! The read side as a whole, over a log in memory and PostgreSQL.

mod feed;
mod follow;
mod parked;
mod queries;
mod rebuild;
mod tenancy;

use std::sync::Arc;
use std::time::Duration;

use eventstore_schema::database::Config;
use eventstore_schema::memory::MemoryEventLog;
use eventstore_schema::testing::TestDatabase;
use eventstore_schema::{EventLog, Position};
use prometheus::Registry;

use crate::testing::{World, database};
use crate::{Feed, Metrics, Projections, Projector, State, TableDigest, digests, registry};

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// A log, a world that writes to it, and a database for the read models.
struct Bench {
    database: TestDatabase,
    log: MemoryEventLog,
    world: World,
}

impl Bench {
    async fn new(seed: u64) -> Self {
        let log = MemoryEventLog::new();
        let world = World::new(Arc::new(log.clone()), seed);
        Self { database: database().await, log, world }
    }

    fn config(&self) -> Config {
        self.database.config()
    }

    fn log(&self) -> Arc<dyn EventLog> {
        Arc::new(self.log.clone())
    }

    async fn start(&self) -> Projections {
        self.start_with(registry(), true).await
    }

    async fn start_with(&self, projectors: Vec<Arc<dyn Projector>>, leads: bool) -> Projections {
        let feed = Arc::new(Feed::start(self.log()).await.expect("a feed"));
        let metrics = Metrics::register(&Registry::new()).expect("metrics");
        Projections::start(&self.config(), &feed, projectors, &metrics, leads)
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
