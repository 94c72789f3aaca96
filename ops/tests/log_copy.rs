//! An installation moves from PostgreSQL to EventStoreDB.

#![cfg(feature = "eventstoredb")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use eventstore_double::{Double, DoubleConfig};
use projections::testing::World;
use support::Installation;

/// Commands in the log before it moves.
const COMMANDS: usize = 150;

#[test]
fn a_log_moves_to_another_engine_and_everything_follows() {
    let installation = Installation::new();
    let double = installation.block_on(Double::start(DoubleConfig::default())).unwrap();
    let url = double.url();
    let mut world = World::new(installation.log.clone(), 7);
    installation.block_on(world.live(COMMANDS));
    let serving = installation.serve("projector,reactor");
    let head = installation.block_on(installation.log.head()).unwrap().position.unwrap();
    installation.settled(head);
    drop(serving);
    // Reactions have written, too.
    let head = installation.block_on(installation.log.head()).unwrap().position.unwrap();

    let refused = installation.runs(&["log", "copy", "--to", &url]);
    assert!(refused.code != 0 && refused.stderr.contains("--yes"), "{}", refused.stderr);
    let itself = installation.runs(&["log", "copy", "--to", "postgres", "--yes"]);
    assert!(itself.code != 0 && itself.stderr.contains("onto itself"), "{}", itself.stderr);
    let unknown = installation.runs(&["log", "copy", "--to", "esdb://me:hunter2@host?x=1", "--yes"]);
    assert!(unknown.code != 0 && !unknown.stderr.contains("hunter2"), "{}", unknown.stderr);

    for first in [true, false] {
        let copied = installation.runs(&["log", "copy", "--to", &url, "--yes", "--json"]).succeeded().json();
        assert_eq!(copied["events"].as_u64(), Some(head.get()), "{copied}");
        assert_eq!((&copied["from"], &copied["to"]), (&"postgres".into(), &"eventstoredb".into()));
        assert_eq!(copied["checkpoints_moved"], first, "the second time they are there already");
    }

    let there = |arguments: &[&str]| {
        let mut command = installation.command(arguments);
        command.env("ENVOI_LOG", &url);
        support::Ran::of(command)
    };
    // Before the rebuild the read models say that they belong to the old log.
    let rebuilt = there(&["projections", "rebuild", "--json"]).succeeded().json();
    assert_eq!(rebuilt["events"].as_u64(), Some(head.get()), "{rebuilt}");
    let verified = there(&["projections", "verify", "--json"]).succeeded().json();
    assert_eq!(verified["equal"], true, "{verified}");
    let doctor = there(&["doctor", "--json"]);
    assert!(doctor.stdout.contains("engine eventstoredb"), "{}", doctor.stdout);
}

#[test]
fn a_cluster_that_cannot_be_reached_is_said_to_be_so_by_serve_and_doctor() {
    let installation = Installation::new();
    let url = "esdb://me:hunter2@127.0.0.1:1?tls=false&discoveryInterval=10&maxDiscoverAttempts=2";
    for verb in [&["serve"][..], &["doctor"]] {
        let mut command = installation.command(verb);
        command.env("ENVOI_LOG", url);
        let ran = support::Ran::of(command);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.code != 0 && said.contains("127.0.0.1:1"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
