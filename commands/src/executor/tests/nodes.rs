//! The same over the log that runs in production: two nodes, each with connections of its own.

use std::sync::Arc;

use domain::organization::Organization;
use domain::{Aggregate, OrganizationId};
use eventstore_schema::testing::TestDatabase;
use eventstore_schema::{EventLog, PgEventLog, PgLogConfig, Revision, StreamId};
use futures_util::future::join_all;

use super::world::*;
use crate::executor::Executor;
use crate::executor::cells::Cells;
use crate::limits::SNAPSHOT_EVENTS_MIN;

async fn node(world: &World, database: &TestDatabase) -> (Executor, Arc<dyn EventLog>) {
    let log: Arc<dyn EventLog> =
        Arc::new(PgEventLog::connect(PgLogConfig::new(database.config())).await.unwrap());
    (world.executor_over(log.clone(), Cells::default()), log)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_write_to_the_same_streams_at_once() {
    let (world, database) = (World::new().await, TestDatabase::create().await);
    let (here, log) = node(&world, &database).await;
    let (there, _) = node(&world, &database).await;
    let quiet = OrganizationId::from_bytes([8; 16]);
    for id in [ORGANIZATION, quiet] {
        execute(&here, found(id), &world.request(OWNER)).await.unwrap();
    }
    let requests: Vec<_> = (0..120).map(|_| world.request(OWNER)).collect();
    let answers = join_all(requests.iter().enumerate().map(async |(number, request)| {
        let node = if number % 3 == 0 { &there } else { &here };
        // Nodes that write to one stream at once may lose to each other too often; what is refused so is repeated.
        loop {
            match execute(node, rename(), request).await {
                Err(error) if error.is_retryable() => tokio::task::yield_now().await,
                answer => return answer.unwrap(),
            }
        }
    }))
    .await;
    let mut revisions: Vec<_> = answers.iter().map(|executed| executed.revision.get()).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (2..122).collect::<Vec<_>>());
    let stream = StreamId::new(Organization::CATEGORY, ORGANIZATION);
    assert_eq!(log.read_stream(stream, Revision::new(0), 1_000).await.unwrap().len(), 122);
    // After a restart everything is answered as it was.
    let (again, _) = node(&world, &database).await;
    for (request, first) in requests.iter().zip(&answers) {
        let executed = execute(&again, rename(), request).await.unwrap();
        assert!(executed.replayed);
        assert_eq!((executed.revision, executed.position), (first.revision, first.position));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_stream_is_loaded_from_its_snapshot() {
    let (world, database) = (World::new().await, TestDatabase::create().await);
    let (executor, log) = node(&world, &database).await;
    execute(&executor, found(ORGANIZATION), &world.request(OWNER)).await.unwrap();
    let requests: Vec<_> = (0..SNAPSHOT_EVENTS_MIN).map(|_| world.request(OWNER)).collect();
    for answer in join_all(requests.iter().map(|request| execute(&executor, rename(), request))).await {
        answer.unwrap();
    }
    let stream = StreamId::new(Organization::CATEGORY, ORGANIZATION);
    while log.load_snapshot(stream).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    execute(&executor, invite(&world, 1), &world.request(OWNER)).await.unwrap();
    let held = executor.load::<Organization>(ORGANIZATION).await.unwrap();
    let (fresh, _) = node(&world, &database).await;
    let loaded = fresh.load::<Organization>(ORGANIZATION).await.unwrap();
    assert_eq!((loaded.state, loaded.revision), (held.state, held.revision));
}
