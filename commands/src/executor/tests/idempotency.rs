//! A command takes effect once, whatever was answered.

use domain::{Rejection, Timestamp};
use eventstore_schema::keyring::{Destruction, KeyName};
use eventstore_schema::{Position, Revision, Tenant};
use futures_util::future::join;

use super::world::*;
use crate::executor::ExecuteError;
use crate::request::Content;

#[tokio::test]
async fn a_repeated_command_is_answered_as_the_first_time() {
    let (world, executor) = World::founded().await;
    let request = world.request(OWNER);
    let first = execute(&executor, invite(&world, 1), &request).await.unwrap();
    let again = execute(&executor, invite(&world, 1), &request).await.unwrap();
    assert!(!first.replayed && again.replayed);
    assert_eq!(
        (first.revision, first.position, &first.events),
        (again.revision, again.position, &again.events)
    );
    assert_eq!(world.events().await.len(), 3);
}

#[tokio::test]
async fn it_is_so_when_the_state_has_moved_on_and_would_refuse() {
    let (world, executor) = World::founded().await;
    let request = world.request(OWNER);
    execute(&executor, invite(&world, 1), &request).await.unwrap();
    execute(&executor, withdraw(1), &world.request(OWNER)).await.unwrap();
    let withdrawal = world.keyed(OWNER, "withdraw");
    let refused = execute(&executor, withdraw(1), &withdrawal).await;
    assert!(matches!(refused, Err(ExecuteError::Rejected(Rejection::InvitationInvalid))));
    let again = execute(&executor, withdraw(1), &world.keyed(OWNER, "key 2")).await.unwrap();
    assert!(again.replayed);
}

#[tokio::test]
async fn it_is_so_on_another_node_and_after_a_stale_revision() {
    let (world, executor) = World::founded().await;
    let request = world.request(OWNER).with_expected_revision(Some(Revision::new(1)));
    let first = execute(&executor, rename(), &request).await.unwrap();
    let again = execute(&world.executor(), rename(), &request).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.revision, first.revision);
}

#[tokio::test]
async fn the_same_id_with_other_content_is_refused_whether_it_would_be_accepted_or_not() {
    let (world, executor) = World::founded().await;
    let request = world.request(OWNER);
    execute(&executor, invite(&world, 1), &request).await.unwrap();
    let mut other = request;
    other.command.content = Content::of("test", &[b"another body"]);
    for command in [invite(&world, 2), withdraw(9)] {
        let answer = execute(&executor, command, &other).await;
        assert!(matches!(answer, Err(ExecuteError::CommandReused { .. })), "{answer:?}");
    }
    assert_eq!(world.events().await.len(), 3);
}

#[tokio::test]
async fn a_copy_that_comes_in_meanwhile_is_told_so() {
    let (world, executor) = World::founded().await;
    let request = world.request(OWNER);
    let (first, second) =
        join(execute(&executor, rename(), &request), execute(&executor, rename(), &request)).await;
    assert!(first.is_ok());
    assert!(matches!(second, Err(ExecuteError::InFlight { .. })));
    assert!(execute(&executor, rename(), &request).await.unwrap().replayed);
}

#[tokio::test]
async fn a_revision_that_the_caller_read_before_has_to_be_the_streams() {
    let (world, executor) = World::founded().await;
    let stale = world.request(OWNER).with_expected_revision(Some(Revision::new(0)));
    let answer = execute(&executor, rename(), &stale).await;
    let current = Some(Revision::new(1));
    assert!(matches!(answer, Err(ExecuteError::RevisionMismatch { current: at }) if at == current));
    let right = world.request(OWNER).with_expected_revision(current);
    assert_eq!(execute(&executor, rename(), &right).await.unwrap().revision, Revision::new(2));
}

#[tokio::test]
async fn whoever_may_not_know_of_it_learns_no_revision() {
    let (world, executor) = World::founded().await;
    let stale = world.request(STRANGER).with_expected_revision(Some(Revision::new(0)));
    let answer = execute(&executor, rename(), &stale).await;
    assert!(matches!(answer, Err(ExecuteError::Rejected(Rejection::OrganizationNotFound))));
}

#[tokio::test]
async fn cancelling_the_wait_does_not_cancel_the_command() {
    let (world, executor) = World::founded().await;
    let request = world.request(OWNER);
    {
        let mut waiting = Box::pin(execute(&executor, rename(), &request));
        assert!(futures_util::future::FutureExt::now_or_never(waiting.as_mut()).is_none());
    }
    executor.idle().await;
    assert_eq!(world.events().await.len(), 3);
    assert!(execute(&executor, rename(), &request).await.unwrap().replayed);
}

/// Keys of what the owner asks of the organization.
fn keys_of_what_is_asked() -> [KeyName; 2] {
    [KeyName::Tenant(Tenant::Organization(ORGANIZATION)), KeyName::Subject(OWNER.into())]
}

#[tokio::test]
async fn a_repetition_is_recognised_after_keys_were_rotated() {
    let (world, executor) = World::founded().await;
    let (invited, renamed) = (world.request(OWNER), world.request(OWNER));
    execute(&executor, invite(&world, 1), &invited).await.unwrap();
    execute(&executor, rename(), &renamed).await.unwrap();
    let sealed_for = KeyName::Subject(ORGANIZATION.into());
    for name in keys_of_what_is_asked().into_iter().chain([sealed_for]) {
        assert!(world.sealer.keyring().rotate(name, 1, false).await.unwrap());
    }
    for node in [&executor, &world.executor()] {
        // One would be refused now, the other done again.
        assert!(execute(node, invite(&world, 1), &invited).await.unwrap().replayed);
        assert!(execute(node, rename(), &renamed).await.unwrap().replayed);
        for mut other in [invited, renamed] {
            other.command.content = Content::of("test", &[b"another body"]);
            for command in [invite(&world, 1), rename()] {
                let answer = execute(node, command, &other).await;
                assert!(matches!(answer, Err(ExecuteError::CommandReused { .. })), "{answer:?}");
            }
        }
    }
    assert_eq!(world.events().await.len(), 4);
}

#[tokio::test]
async fn a_repetition_of_what_was_erased_is_never_the_same() {
    for key in keys_of_what_is_asked() {
        let (world, executor) = World::founded().await;
        let invited = world.request(OWNER);
        execute(&executor, invite(&world, 1), &invited).await.unwrap();
        let destruction = Destruction { position: Position::new(1), at: Timestamp::from_micros(1) };
        world.sealer.keyring().destroy(key, destruction).await.unwrap();
        // Refused by a rule, and accepted by all rules.
        for command in [invite(&world, 1), withdraw(1)] {
            let answer = execute(&executor, command, &invited).await;
            assert!(matches!(answer, Err(ExecuteError::CommandReused { .. })), "{key}: {answer:?}");
        }
        assert_eq!(world.events().await.len(), 3);
    }
}

#[tokio::test]
async fn what_the_system_does_is_recognised_whatever_became_of_keys() {
    let (world, executor) = World::founded().await;
    let mut request = world.request(OWNER);
    request.command.content = Content::IMPLIED;
    execute(&executor, invite(&world, 1), &request).await.unwrap();
    let destruction = Destruction { position: Position::new(1), at: Timestamp::from_micros(1) };
    for key in keys_of_what_is_asked() {
        world.sealer.keyring().destroy(key, destruction).await.unwrap();
    }
    assert!(execute(&executor, invite(&world, 1), &request).await.unwrap().replayed);
    let mut other = request;
    other.command.content = Content::of("test", &[b"body"]);
    let answer = execute(&executor, invite(&world, 1), &other).await;
    assert!(matches!(answer, Err(ExecuteError::CommandReused { .. })), "{answer:?}");
}
