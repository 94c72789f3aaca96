//! The confirmed state outlives whatever becomes of an append: afterwards the tail is read, never the whole stream.

use domain::Aggregate;
use domain::organization::Organization;
use eventstore_schema::memory::Fault;
use futures_util::future::join_all;

use super::world::*;
use crate::executor::Executor;
use crate::executor::cached::decode_event;
use crate::request::Request;

/// How often the executor loaded the state.
fn loads(executor: &Executor) -> u64 {
    executor.shared.metrics.loads.with_label_values(&[Organization::CATEGORY.name()]).get()
}

/// The executor's state is the one that the log's events make, and it was loaded once.
async fn assert_loaded_once(world: &World, executor: &Executor) {
    let mut state = Organization::default();
    for recorded in world.events().await {
        let event = decode_event::<Organization>(&recorded).unwrap();
        state.evolve(&event, recorded.origin.recorded_at);
    }
    let loaded = executor.load::<Organization>(ORGANIZATION).await.unwrap();
    assert_eq!(loaded.state, state);
    assert_eq!(loaded.revision.unwrap().get() as usize + 1, world.events().await.len());
    assert_eq!(loads(executor), 1);
}

#[tokio::test]
async fn a_member_who_repeats_a_command_costs_no_load() {
    let (world, executor) = World::founded().await;
    let request = world.request(OWNER);
    execute(&executor, rename(), &request).await.unwrap();
    for _ in 0..5 {
        assert!(execute(&executor, rename(), &request).await.unwrap().replayed);
    }
    assert_loaded_once(&world, &executor).await;
}

#[tokio::test]
async fn commands_decided_behind_a_repeated_one_are_decided_again_without_a_load() {
    let (world, executor) = World::founded().await;
    let repeated = world.request(OWNER);
    execute(&executor, rename(), &repeated).await.unwrap();
    // All wait together, so that the repeated one is appended in the middle of the others.
    let requests: Vec<Request> = (0..3).map(|_| world.request(OWNER)).collect();
    let answers = join_all(
        [&requests[0], &repeated, &requests[1], &requests[2]].map(|one| execute(&executor, rename(), one)),
    )
    .await;
    let replayed: Vec<_> = answers.iter().map(|answer| answer.as_ref().unwrap().replayed).collect();
    assert_eq!(replayed, [false, true, false, false]);
    let mut revisions: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().revision.get()).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, [2, 3, 4, 5]);
    assert_loaded_once(&world, &executor).await;
}

#[tokio::test]
async fn two_nodes_on_one_stream_read_each_others_tail() {
    let (world, here) = World::founded().await;
    let there = world.executor();
    for round in 0..20_u8 {
        for executor in [&here, &there] {
            let command = if round % 2 == 0 { rename() } else { invite(&world, round) };
            let _taken_by_the_other = execute(executor, command, &world.request(OWNER)).await;
        }
    }
    assert!(here.shared.metrics.conflicts.get() + there.shared.metrics.conflicts.get() > 0);
    for executor in [&here, &there] {
        assert_loaded_once(&world, executor).await;
    }
}

#[tokio::test]
async fn an_append_of_unknown_outcome_costs_no_load() {
    for fault in [Fault::FailBefore, Fault::FailAfter, Fault::Overloaded] {
        let (world, executor) = World::founded().await;
        world.log.faults().on_next_appends([fault]);
        let requests: Vec<_> = (0..3).map(|_| world.request(OWNER)).collect();
        join_all(requests.iter().map(|request| execute(&executor, rename(), request))).await;
        execute(&executor, rename(), &world.request(OWNER)).await.unwrap();
        assert_loaded_once(&world, &executor).await;
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_read_for_a_while_costs_no_load() {
    let (world, executor) = World::founded().await;
    world.log.faults().fail_reads(true);
    execute(&executor, withdraw(1), &world.request(OWNER)).await.unwrap_err();
    world.log.faults().fail_reads(false);
    execute(&executor, rename(), &world.request(OWNER)).await.unwrap();
    assert_loaded_once(&world, &executor).await;
}

#[tokio::test]
async fn a_log_that_was_restored_behind_the_state_is_loaded_anew() {
    let (world, executor) = World::founded().await;
    for number in 1..4 {
        execute(&executor, invite(&world, number), &world.request(OWNER)).await.unwrap();
    }
    world.log.restore(3);
    let executed = execute(&executor, withdraw(1), &world.request(OWNER)).await.unwrap();
    assert_eq!(executed.revision.get(), 3);
    let loaded = executor.load::<Organization>(ORGANIZATION).await.unwrap();
    assert!((1..4).all(|number| loaded.state.invitation(invitation(number)).is_none()));
    assert_eq!(loads(&executor), 2);
}
