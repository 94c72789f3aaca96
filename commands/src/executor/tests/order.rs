//! Commands for one stream take effect one after another, on whichever nodes they come in.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use domain::organization::{Organization, OrganizationRole};
use domain::{OrganizationId, Rejection};
use futures_util::future::join_all;

use super::world::*;
use crate::executor::ExecuteError;
use crate::executor::cells::Cells;
use crate::limits::WAITING_PER_STREAM_MAX;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_get_contiguous_revisions() {
    let (world, executor) = World::founded().await;
    let tasks = (0..500).map(|_| {
        let (executor, request) = (executor.clone(), world.request(OWNER));
        tokio::spawn(async move { execute(&executor, rename(), &request).await.unwrap().revision.get() })
    });
    let mut revisions: Vec<_> = join_all(tasks).await.into_iter().map(|revision| revision.unwrap()).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (2..502).collect::<Vec<_>>());
}

#[tokio::test]
async fn another_nodes_write_is_noticed_and_the_command_decided_again() {
    let (world, here) = World::founded().await;
    let there = world.executor();
    execute(&there, invite(&world, 1), &world.request(OWNER)).await.unwrap();
    let second = execute(&here, invite(&world, 2), &world.request(OWNER)).await.unwrap();
    assert_eq!(second.revision.get(), 3);
    execute(&there, withdraw(2), &world.request(OWNER)).await.unwrap();
}

#[tokio::test]
async fn nothing_is_refused_on_what_another_node_has_changed_since() {
    let (world, here) = World::founded().await;
    let there = world.executor();
    execute(&there, invite(&world, 1), &world.request(OWNER)).await.unwrap();
    execute(&here, withdraw(1), &world.request(OWNER)).await.unwrap();
    let answer = execute(&there, withdraw(1), &world.request(OWNER)).await;
    assert!(matches!(answer, Err(ExecuteError::Rejected(Rejection::InvitationInvalid))));
}

#[tokio::test]
async fn a_view_shows_what_another_node_wrote() {
    let (world, here) = World::founded().await;
    let there = world.executor();
    let known = |state: &Organization, _| (state.role(OWNER), state.invitation(invitation(1)).is_some());
    let owner = Some(OrganizationRole::Owner);
    assert_eq!(there.view(ORGANIZATION, known).await.unwrap(), (owner, false));
    execute(&here, invite(&world, 1), &world.request(OWNER)).await.unwrap();
    assert_eq!(there.view(ORGANIZATION, known).await.unwrap(), (owner, true));
    assert_eq!(there.load::<Organization>(ORGANIZATION).await.unwrap().revision.unwrap().get(), 2);
}

#[tokio::test]
async fn a_refused_command_leaves_those_around_it_alone() {
    let (world, executor) = World::founded().await;
    let commands = [invite(&world, 1), withdraw(9), invite(&world, 2), invite(&world, 1), withdraw(1)];
    let requests: Vec<_> = commands.iter().map(|_| world.request(OWNER)).collect();
    let answers = join_all(
        commands.into_iter().zip(&requests).map(|(command, request)| execute(&executor, command, request)),
    )
    .await;
    let outcomes: Vec<_> = answers.iter().map(|answer| answer.is_ok()).collect();
    assert_eq!(outcomes, [true, false, true, false, true]);
    assert_eq!(world.events().await.len(), 5);
}

#[tokio::test]
async fn evicted_streams_are_read_again() {
    let world = World::new().await;
    let executor = world.executor_with(Cells::bounded(2, usize::MAX));
    let ids: Vec<_> = (1..=6).map(|number| OrganizationId::from_bytes([number; 16])).collect();
    for id in &ids {
        execute(&executor, found(*id), &world.request(OWNER)).await.unwrap();
    }
    assert!(executor.cells() <= 3);
    for id in &ids {
        let loaded = executor.load::<Organization>(*id).await.unwrap();
        assert_eq!(loaded.state.id(), Some(*id));
        assert_eq!(loaded.revision.unwrap().get(), 1);
    }
}

#[tokio::test]
async fn a_full_queue_refuses_early_and_the_others_are_executed() {
    let (world, executor) = World::founded().await;
    let requests: Vec<_> = (0..=WAITING_PER_STREAM_MAX).map(|_| world.request(OWNER)).collect();
    let mut waiting: Vec<_> =
        requests.iter().map(|request| Box::pin(execute(&executor, rename(), request))).collect();
    let mut context = Context::from_waker(Waker::noop());
    let refused = waiting.pop().unwrap();
    for future in &mut waiting {
        assert!(future.as_mut().poll(&mut context).is_pending());
    }
    let Poll::Ready(answer) = pin!(refused).poll(&mut context) else {
        panic!("it has to be refused at once")
    };
    assert!(matches!(answer, Err(ExecuteError::Overloaded { .. })));
    assert!(join_all(waiting).await.iter().all(|answer| answer.is_ok()));
    assert_eq!(world.events().await.len(), 2 + WAITING_PER_STREAM_MAX);
}
