//! An installation goes on with a log that was restored from a backup.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use serde_json::Value;
use support::{Installation, Serving};

fn is_ready(installation: &Installation, serving: &Serving) -> bool {
    installation.get(&format!("{}/health/ready", serving.metrics)).0 == 200
}

fn adopt(installation: &Installation) -> Value {
    installation.runs_as_owner(&["log", "adopt", "--yes", "--json"]).succeeded().json()
}

#[test]
fn a_restored_log_is_another_one_and_everything_follows_it() {
    let installation = Installation::new();
    let serving = installation.node();
    installation.registers(&serving, "ann");
    installation.eventually("she gets her mail", || installation.mails() == 1);
    let refused = installation.runs_as_owner(&["log", "adopt", "--yes"]);
    assert!(refused.code != 0 && refused.stderr.contains("stop every server"), "{}", refused.stderr);
    assert!(serving.ends_when_asked());
    let refused = installation.runs_as_owner(&["log", "adopt"]);
    assert!(refused.code != 0 && refused.stderr.contains("--yes"), "{}", refused.stderr);

    // The rest is newer than the log: what it says of events that are lost, and what it lost itself.
    let before = installation.block_on(installation.log.head()).unwrap();
    installation.sql("UPDATE write.reaction_checkpoints SET position = position + 1000");
    installation.sql("DELETE FROM write.reservations");
    let told = adopt(&installation);
    assert_eq!(
        (&told["before"], &told["reservations_restored"]),
        (&before.incarnation.0.to_string().into(), &1.into())
    );
    assert!(told["reactions_set_back"].as_u64() > Some(0), "{told}");
    // As by somebody who did not see the answer.
    let again = adopt(&installation);
    assert_eq!((&again["before"], &again["reactions_set_back"]), (&told["incarnation"], &0.into()));

    installation.runs(&["projections", "rebuild"]).succeeded();
    let serving = installation.node();
    installation.eventually("it is ready", || is_ready(&installation, &serving));
    // Reactions answer what comes now, and nothing twice.
    installation.registers(&serving, "bob");
    installation.eventually("he gets his mail", || installation.mails() > 1);
    assert_eq!(installation.mails(), 2);
    let head = installation.block_on(installation.log.head()).unwrap();
    assert_eq!(head.incarnation.0.to_string(), again["incarnation"]);
}
