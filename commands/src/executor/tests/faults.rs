//! Each write failing before and after it is made, and the log or the keys out of reach.

use domain::Rejection;
use eventstore_schema::Position;
use eventstore_schema::keyring::{Destruction, KeyName};
use eventstore_schema::memory::Fault;
use futures_util::future::join_all;

use super::world::*;
use crate::executor::ExecuteError;
use crate::limits::{CONFLICT_ATTEMPTS_MAX, UNKNOWN_OUTCOME_DELAYS};

const BEFORE: Fault = Fault::FailBefore;
const AFTER: Fault = Fault::FailAfter;

#[tokio::test]
async fn an_append_that_was_not_written_is_repeated() {
    let (world, executor) = World::founded().await;
    world.log.faults().on_next_appends([BEFORE]);
    let executed = execute(&executor, rename(), &world.request(OWNER)).await.unwrap();
    assert_eq!((executed.revision.get(), executed.replayed), (2, false));
    assert_eq!(world.events().await.len(), 3);
}

#[tokio::test]
async fn an_append_that_was_written_though_it_failed_is_not_written_again() {
    let (world, executor) = World::founded().await;
    world.log.faults().on_next_appends([AFTER]);
    let executed = execute(&executor, rename(), &world.request(OWNER)).await.unwrap();
    assert_eq!((executed.revision.get(), executed.replayed), (2, false));
    assert_eq!(world.events().await.len(), 3);
    let next = execute(&executor, rename(), &world.request(OWNER)).await.unwrap();
    assert_eq!(next.revision.get(), 3);
}

/// What is behind a command that loses its stream to another writer again and again has lost to nobody itself.
#[tokio::test]
async fn commands_behind_one_that_is_overtaken_too_often_are_recorded_all_the_same() {
    const BEHIND: usize = 25;
    let (world, executor) = World::founded().await;
    let overtaken = CONFLICT_ATTEMPTS_MAX as usize + 5;
    world.log.faults().on_next_appends(std::iter::repeat_n(Fault::Overtaken, overtaken));
    let requests: Vec<_> = (0..=BEHIND).map(|_| world.request(OWNER)).collect();
    let mut answers = join_all(requests.iter().map(|request| execute(&executor, rename(), request))).await;
    let lost = answers.remove(0);
    assert!(matches!(lost, Err(ExecuteError::Overloaded { .. })), "{lost:?}");
    let revisions: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().revision.get()).collect();
    let first = 2 + overtaken as u64;
    assert_eq!(revisions, (first..first + BEHIND as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn commands_behind_an_unknown_outcome_keep_their_order() {
    for faults in [[BEFORE, BEFORE], [AFTER, AFTER], [BEFORE, AFTER], [AFTER, BEFORE]] {
        let (world, executor) = World::founded().await;
        world.log.faults().on_next_appends(faults);
        let requests: Vec<_> = (0..4).map(|_| world.request(OWNER)).collect();
        let answers = join_all(requests.iter().map(|request| execute(&executor, rename(), request))).await;
        let revisions: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().revision.get()).collect();
        assert_eq!(revisions, [2, 3, 4, 5], "{faults:?}");
        let commands: Vec<_> = world.events().await.iter().skip(2).map(|event| event.command_id).collect();
        assert_eq!(commands, requests.iter().map(|request| request.command.id).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn when_the_outcome_stays_unknown_the_caller_is_told_and_repeats() {
    for fault in [BEFORE, AFTER] {
        let (world, executor) = World::founded().await;
        let attempts = UNKNOWN_OUTCOME_DELAYS.len() + 1;
        // The first attempt decides whether it is on record; the others only fail to say so.
        let faults = std::iter::once(fault).chain(std::iter::repeat_n(BEFORE, attempts - 1));
        world.log.faults().on_next_appends(faults);
        let request = world.request(OWNER);
        let answer = execute(&executor, invite(&world, 1), &request).await;
        assert!(matches!(answer, Err(ExecuteError::Unavailable { .. })), "{answer:?}");
        let again = execute(&executor, invite(&world, 1), &request).await.unwrap();
        assert_eq!((again.revision.get(), again.replayed), (2, fault == AFTER));
        assert_eq!(world.events().await.len(), 3);
    }
}

#[tokio::test]
async fn a_refusal_of_the_overloaded_log_is_passed_on() {
    let (world, executor) = World::founded().await;
    world.log.faults().on_next_appends([Fault::Overloaded]);
    let request = world.request(OWNER);
    let answer = execute(&executor, rename(), &request).await;
    assert!(matches!(answer, Err(ExecuteError::Overloaded { .. })));
    assert!(!execute(&executor, rename(), &request).await.unwrap().replayed);
    assert_eq!(world.events().await.len(), 3);
}

#[tokio::test]
async fn while_the_log_cannot_be_read_nothing_is_decided() {
    let (world, executor) = World::founded().await;
    world.log.faults().fail_reads(true);
    // A state that is not held cannot be loaded; one that is held is good for what the log accepts.
    let answer = execute(&world.executor(), rename(), &world.request(OWNER)).await;
    assert!(matches!(answer, Err(ExecuteError::Unavailable { .. })));
    execute(&executor, rename(), &world.request(OWNER)).await.unwrap();
    // A refusal is not: it has to be confirmed.
    let answer = execute(&executor, withdraw(1), &world.request(OWNER)).await;
    assert!(matches!(answer, Err(ExecuteError::Unavailable { .. })));
    world.log.faults().fail_reads(false);
    let answer = execute(&executor, withdraw(1), &world.request(OWNER)).await;
    assert!(matches!(answer, Err(ExecuteError::Rejected(Rejection::InvitationInvalid))));
}

#[tokio::test]
async fn what_cannot_be_sealed_is_refused_and_the_others_are_executed() {
    let (world, executor) = World::founded().await;
    let subject = KeyName::Subject(ORGANIZATION.into());
    let destruction = Destruction { position: Position::new(1), at: world.clock.now() };
    world.sealer.keyring().destroy(subject, destruction).await.unwrap();
    let requests: Vec<_> = (0..3).map(|_| world.request(OWNER)).collect();
    let commands = [invite(&world, 1), rename(), invite(&world, 2)];
    let answers = join_all(
        commands.into_iter().zip(&requests).map(|(command, request)| execute(&executor, command, request)),
    )
    .await;
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert!(matches!(answers[1], Err(ExecuteError::Seal { .. })));
    assert_eq!(world.events().await.len(), 4);
}
