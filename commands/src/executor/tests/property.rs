//! Random commands from two nodes at once end in the state that replaying the log gives, each command recorded at most once.

use std::collections::HashSet;
use std::time::Duration;

use domain::Aggregate;
use domain::organization::Organization;
use domain::organization::commands::OrganizationCommand;
use eventstore_schema::memory::Fault;
use eventstore_schema::testing::Engine;
use eventstore_schema::{EventLog, Revision, StreamId, over_engines};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::nodes::Nodes;
use super::world::*;
use crate::executor::Executor;
use crate::executor::cached::decode_event;
use crate::request::Content;

#[derive(Clone, Copy, Debug)]
enum Step {
    Rename,
    Invite(u8),
    Withdraw(u8),
}

impl Step {
    fn command(self, world: &World) -> OrganizationCommand {
        match self {
            Step::Rename => rename(),
            Step::Invite(number) => invite(world, number),
            Step::Withdraw(number) => withdraw(number),
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<(bool, u8, Step)>> {
    let step =
        prop_oneof![Just(Step::Rename), (0u8..4).prop_map(Step::Invite), (0u8..4).prop_map(Step::Withdraw),];
    // Node, idempotency key (few, so that many are repeated), step.
    prop::collection::vec((any::<bool>(), 0u8..30, step), 1..60)
}

/// What the appends meet: mostly a moment's delay, so that the nodes come in between each other.
fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        12 => Just(Fault::Delay(Duration::ZERO)),
        4 => Just(Fault::Delay(Duration::from_millis(1))),
        1 => Just(Fault::FailBefore),
        1 => Just(Fault::FailAfter),
        1 => Just(Fault::Overloaded),
    ];
    prop::collection::vec(fault, 0..80)
}

/// Gives the commands all at once, each at its node; what came of them stands in the log.
async fn give(world: &World, nodes: [&Executor; 2], steps: &[(bool, u8, Step)]) {
    join_all(steps.iter().map(|(node, key, step)| {
        let executor = nodes[usize::from(*node)];
        let mut request = world.keyed(OWNER, &format!("k{key}"));
        // One key with two contents is two commands of one name.
        request.command.content = Content::of("test", &[format!("{step:?}").as_bytes()]);
        let command = step.command(world);
        async move { execute(executor, command, &request).await }
    }))
    .await;
}

/// Replays the stream: every event by the rules, every command once, and the state of each node.
async fn examine(log: &dyn EventLog, nodes: &[&Executor]) -> Result<(), TestCaseError> {
    let stream = StreamId::new(Organization::CATEGORY, ORGANIZATION);
    let events = log.read_stream(stream, Revision::new(0), 100_000).await.unwrap();
    let mut state = Organization::default();
    let mut commands = HashSet::new();
    for (revision, recorded) in events.iter().enumerate() {
        prop_assert_eq!(recorded.revision.get() as usize, revision);
        // Founding is the one command of two events.
        prop_assert!(revision < 2 || commands.insert(recorded.command_id));
        let event = decode_event::<Organization>(recorded).unwrap();
        // What was decided on a state that never was would be refused on the one that was.
        prop_assert_eq!(Organization::id_of(&event), ORGANIZATION);
        prop_assert_eq!(state.check(&event), Ok(()));
        state.evolve(&event, recorded.origin.recorded_at);
    }
    for executor in nodes {
        let loaded = executor.load::<Organization>(ORGANIZATION).await.unwrap();
        prop_assert_eq!(&loaded.state, &state);
        prop_assert_eq!(loaded.revision.unwrap().get() as usize + 1, events.len());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn random_commands_from_two_nodes_end_in_the_replayed_state(steps in steps(), faults in faults()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (world, here) = World::founded().await;
            let there = world.executor();
            world.log.faults().on_next_appends(faults);
            give(&world, [&here, &there], &steps).await;
            examine(&*world.log, &[&here, &there, &world.executor()]).await
        })?;
    }
}

over_engines! {
    random_commands_from_two_nodes_over_one_log_end_in_the_replayed_state,
}

/// Histories over each engine: each needs a log of its own.
const HISTORIES: usize = 6;

async fn random_commands_from_two_nodes_over_one_log_end_in_the_replayed_state(engine: Engine) {
    let mut runner = TestRunner::default();
    for _ in 0..HISTORIES {
        let nodes = Nodes::over(engine).await;
        let world = &nodes.world;
        let ((here, log), (there, _)) = (nodes.node().await, nodes.node().await);
        execute(&here, found(ORGANIZATION), &world.request(OWNER)).await.unwrap();
        // Several bursts: with the first one both nodes have learned that they are not alone.
        for _ in 0..3 {
            let steps = steps().new_tree(&mut runner).unwrap().current();
            give(world, [&here, &there], &steps).await;
            let (again, _) = nodes.node().await;
            examine(&*log, &[&here, &there, &again]).await.unwrap();
        }
    }
}
