//! The same over the engines that run in production: several nodes, each with connections of its own.

use std::sync::Arc;
use std::time::Duration;

use domain::organization::Organization;
use domain::{Aggregate, OrganizationId};
use eventstore_schema::testing::{Engine, LogOptions, TestDatabase, TestLog};
use eventstore_schema::{EventLog, Revision, StreamId, over_engines};
use futures_util::future::join_all;
use prometheus::Registry;

use super::world::*;
use crate::executor::cells::Cells;
use crate::executor::{ExecuteError, Executor};
use crate::limits::{CONTENDED_LOCKS, SNAPSHOT_EVENTS_MIN};

over_engines! {
    a_command_takes_effect_once_whichever_node_gets_it,
    a_long_stream_is_loaded_from_its_snapshot,
    two_nodes_write_to_the_same_streams_at_once,
    a_refusal_on_a_contended_stream_is_by_what_the_log_holds,
}

/// Commands to one stream that each of two nodes has under way.
const SENDERS: usize = 3;
/// Commands of each of them.
const COMMANDS: usize = 40;

/// A log, and nodes over it.
pub(super) struct Nodes {
    pub(super) world: World,
    engine: TestLog,
    _database: TestDatabase,
}

impl Nodes {
    pub(super) async fn over(engine: Engine) -> Self {
        let (world, database) = (World::new().await, TestDatabase::create().await);
        let engine = TestLog::create(engine, &database.config()).await;
        Self { world, engine, _database: database }
    }

    pub(super) async fn node(&self) -> (Executor, Arc<dyn EventLog>) {
        let log = self.engine.open().await;
        (self.world.executor_over(log.clone(), Cells::default()), log)
    }
}

async fn a_command_takes_effect_once_whichever_node_gets_it(engine: Engine) {
    let nodes = Nodes::over(engine).await;
    let world = &nodes.world;
    let ((here, log), (there, _)) = (nodes.node().await, nodes.node().await);
    execute(&here, found(ORGANIZATION), &world.request(OWNER)).await.unwrap();
    let request = world.request(OWNER).with_expected_revision(Some(Revision::new(1)));
    let first = execute(&here, invite(world, 1), &request).await.unwrap();
    // The state moves on and would refuse it, and the revision is not the one that was asked for any more.
    execute(&there, withdraw(1), &world.request(OWNER)).await.unwrap();
    for node in [&here, &there] {
        let again = execute(node, invite(world, 1), &request).await.unwrap();
        assert!(!first.replayed && again.replayed);
        assert_eq!((again.revision, again.position), (first.revision, first.position));
        assert_eq!(again.events, first.events);
    }
    let mut other = request;
    other.command.content = crate::request::Content::of("test", &[b"another body"]);
    for node in [&here, &there] {
        let answer = execute(node, invite(world, 1), &other).await;
        assert!(matches!(answer, Err(ExecuteError::CommandReused { .. })), "{answer:?}");
    }
    let stale =
        execute(&there, rename(), &world.request(OWNER).with_expected_revision(Some(Revision::new(1)))).await;
    let current = Some(Revision::new(3));
    assert!(
        matches!(stale, Err(ExecuteError::RevisionMismatch { current: at }) if at == current),
        "{stale:?}"
    );
    let stream = StreamId::new(Organization::CATEGORY, ORGANIZATION);
    assert_eq!(log.read_stream(stream, Revision::new(0), 1_000).await.unwrap().len(), 4);
}

async fn two_nodes_write_to_the_same_streams_at_once(engine: Engine) {
    let nodes = Nodes::over(engine).await;
    let world = &nodes.world;
    let (here, log) = nodes.node().await;
    let (there, _) = nodes.node().await;
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
    let (again, _) = nodes.node().await;
    for (request, first) in requests.iter().zip(&answers) {
        let executed = execute(&again, rename(), request).await.unwrap();
        assert!(executed.replayed);
        assert_eq!(executed.revision, first.revision);
        // Of commands that EventStoreDB writes together, the first answers have the position of the last.
        match engine {
            Engine::Postgres => assert_eq!(executed.position, first.position),
            Engine::EventStoreDb => assert!(executed.position <= first.position),
        }
    }
}

/// Has two nodes write to one stream at once, until each has lost to the other and won.
async fn contend(world: &World, nodes: [&Executor; 2]) {
    let senders = nodes.into_iter().flat_map(|node| std::iter::repeat_n(node, SENDERS));
    join_all(senders.map(async |node| {
        for _ in 0..COMMANDS {
            let request = world.request(OWNER);
            while let Err(error) = execute(node, rename(), &request).await {
                assert!(error.is_retryable(), "{error}");
            }
        }
    }))
    .await;
}

/// Two nodes over PostgreSQL that give decisions as long as they take, and what the first measures.
async fn unhurried(nodes: &Nodes) -> ([Executor; 2], Registry) {
    let options = LogOptions { deciding_max: Some(Duration::from_secs(60)), ..LogOptions::default() };
    let (measured, registry) = (Registry::new(), Registry::new());
    let here = nodes.engine.open_with(options, &measured).await;
    let there = nodes.engine.open_with(options, &registry).await;
    let [here, there] = [here, there].map(|log| nodes.world.executor_over(log, Cells::default()));
    execute(&here, found(ORGANIZATION), &nodes.world.request(OWNER)).await.unwrap();
    contend(&nodes.world, [&here, &there]).await;
    ([here, there], measured)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_nodes_write_to_at_once_is_decided_once_where_there_is_an_append_lock() {
    let nodes = Nodes::over(Engine::Postgres).await;
    let ([here, there], _) = unhurried(&nodes).await;
    let lost = here.shared.metrics.conflicts.get() + there.shared.metrics.conflicts.get();
    let all = 2 * SENDERS * COMMANDS;
    assert!(lost < all as u64 / 10, "{lost} of {all} commands lost to the other node");
}

fn locks(registry: &Registry) -> f64 {
    let families = registry.gather();
    let locks = families.iter().find(|family| family.name() == "envoi_log_append_locks_total").unwrap();
    locks.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_one_nodes_again_needs_no_lock() {
    let nodes = Nodes::over(Engine::Postgres).await;
    let ([here, there], measured) = unhurried(&nodes).await;
    let world = &nodes.world;
    let found_at = async |node: &Executor, id: u8| {
        let id = OrganizationId::from_bytes([id; 16]);
        execute(node, found(id), &world.request(OWNER)).await.unwrap();
    };
    let rename_here = async |rounds: std::ops::Range<u8>| {
        for round in rounds {
            // What is recorded elsewhere, and then here, leaves nothing of the stream at hand.
            found_at(&there, 100 + round).await;
            found_at(&here, 200 + round).await;
            execute(&here, rename(), &world.request(OWNER)).await.unwrap();
        }
    };
    rename_here(0..2 * CONTENDED_LOCKS).await;
    let before = locks(&measured);
    assert!(before > 0.0);
    rename_here(2 * CONTENDED_LOCKS..3 * CONTENDED_LOCKS).await;
    assert_eq!(locks(&measured), before);
}

async fn a_refusal_on_a_contended_stream_is_by_what_the_log_holds(engine: Engine) {
    let nodes = Nodes::over(engine).await;
    let world = &nodes.world;
    let ((here, _), (there, _)) = (nodes.node().await, nodes.node().await);
    execute(&here, found(ORGANIZATION), &world.request(OWNER)).await.unwrap();
    for number in 1..20 {
        contend_once(world, [&here, &there]).await;
        execute(&there, invite(world, number), &world.request(OWNER)).await.unwrap();
        // Here nobody has seen that yet: withdrawing what is not there would be refused.
        execute(&here, withdraw(number), &world.request(OWNER)).await.unwrap();
        let again = execute(&there, withdraw(number), &world.request(OWNER)).await;
        assert!(again.is_err() || again.unwrap().events.is_empty());
    }
}

/// Has either node lose to the other once.
async fn contend_once(world: &World, [here, there]: [&Executor; 2]) {
    for node in [here, there, here, there] {
        execute(node, rename(), &world.request(OWNER)).await.unwrap();
    }
}

async fn a_long_stream_is_loaded_from_its_snapshot(engine: Engine) {
    let nodes = Nodes::over(engine).await;
    let world = &nodes.world;
    let (executor, log) = nodes.node().await;
    execute(&executor, found(ORGANIZATION), &world.request(OWNER)).await.unwrap();
    let requests: Vec<_> = (0..SNAPSHOT_EVENTS_MIN).map(|_| world.request(OWNER)).collect();
    for answer in join_all(requests.iter().map(|request| execute(&executor, rename(), request))).await {
        answer.unwrap();
    }
    let stream = StreamId::new(Organization::CATEGORY, ORGANIZATION);
    while log.load_snapshot(stream, Organization::STATE_VERSION).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    execute(&executor, invite(world, 1), &world.request(OWNER)).await.unwrap();
    let held = executor.load::<Organization>(ORGANIZATION).await.unwrap();
    let (fresh, _) = nodes.node().await;
    let loaded = fresh.load::<Organization>(ORGANIZATION).await.unwrap();
    assert_eq!((loaded.state, loaded.revision), (held.state, held.revision));
}
