//! A projector that is killed: another process takes its projections over, and nothing is left out or folded twice.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use projections::Status;
use projections::testing::World;
use support::Installation;
use tokio::sync::Semaphore;

/// Times that the leading process is killed.
const KILLS: usize = 3;
/// What happens around each kill, in commands: half before it, at least one behind it.
const COMMANDS: usize = 400;

#[test]
fn another_process_takes_over_when_the_leader_is_killed() {
    let installation = Installation::new();
    let mut leader = installation.serve("projector");
    let all = projections::registry().len();
    installation.eventually("the first process leads", || status(&installation).len() == all);

    // The log grows as fast as it is let to.
    let (permits, lived) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut world = World::new(Arc::clone(&installation.log), 11);
    let living = installation.spawn({
        let (permits, lived) = (Arc::clone(&permits), Arc::clone(&lived));
        async move {
            for _ in 0..KILLS * (COMMANDS + 1) {
                permits.acquire().await.unwrap().forget();
                world.live(1).await;
                lived.fetch_add(1, Ordering::Release);
            }
        }
    });
    for kill in 0..KILLS {
        let other = installation.serve("projector");
        let begun = kill * (COMMANDS + 1);
        permits.add_permits(COMMANDS);
        let happened = |count| lived.load(Ordering::Acquire) >= begun + count;
        installation.eventually("half of it has happened", || happened(COMMANDS / 2));
        leader.kill();
        permits.add_permits(1);
        installation.eventually("all of it has happened", || happened(COMMANDS + 1));
        let head = installation.block_on(installation.log.head()).unwrap().position.unwrap();
        installation.settled(head);
        leader = other;
    }
    installation.block_on(living).unwrap();
    let parked = installation.runs(&["projections", "parked", "--json"]).succeeded().json();
    assert_eq!(parked["parked"], serde_json::json!([]));
    let verified = installation.runs(&["projections", "verify", "--json"]).succeeded().json();
    assert_eq!(verified["equal"], true, "{verified}");
}

fn status(installation: &Installation) -> Vec<Status> {
    installation.block_on(projections::status(&installation.database, &*installation.log)).unwrap()
}
