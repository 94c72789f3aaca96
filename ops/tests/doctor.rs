//! `envoi doctor` with the real binary: what is wrong is found before a server trips over it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use serde_json::Value;
use support::{Installation, Ran};

/// What was found about a part.
fn found<'a>(report: &'a Value, part: &str) -> &'a Value {
    let all = report["findings"].as_array().unwrap();
    all.iter().find(|one| one["part"] == part).unwrap_or_else(|| panic!("nothing about {part} in {report}"))
}

#[test]
fn a_root_key_of_another_installation_is_found() {
    let installation = Installation::new();
    // This PostgreSQL is not durable, which the doctor does not like either: the findings count, not the exit code.
    let fresh = installation.runs(&["doctor", "--json"]).json();
    assert_eq!(found(&fresh, "keyring")["found"], "is empty: the first server makes its keys");
    for part in ["clock", "schema", "log"] {
        assert_eq!(found(&fresh, part)["state"], "good", "{fresh}");
    }
    drop(installation.serve("projector"));
    let used = installation.runs(&["doctor", "--json"]).json();
    assert_eq!(found(&used, "keyring")["state"], "good");

    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("other.key");
    let with_other = |arguments: &[&str]| {
        let mut command = installation.command(arguments);
        command.env("ENVOI_KEYS_ROOT_KEY_FILE", &other);
        Ran::of(command)
    };
    with_other(&["keys", "create-root"]).succeeded();
    let wrong = with_other(&["doctor", "--json"]);
    assert_eq!(wrong.code, 4, "{}", wrong.stderr);
    let report = wrong.json();
    assert_eq!(found(&report, "keyring")["state"], "BAD");
    assert!(
        found(&report, "keyring")["found"].as_str().unwrap().contains("is wrapped by root key"),
        "{report}"
    );
    // Looking changed nothing: the right key still opens it.
    let again = installation.runs(&["doctor", "--json"]).json();
    assert_eq!(found(&again, "keyring")["state"], "good");
}

/// What it says of a part that is not as it should be.
fn bad(report: &Value, part: &str) -> Vec<String> {
    let all = report["findings"].as_array().unwrap().iter();
    all.filter(|one| one["part"] == part && one["state"] == "BAD")
        .map(|one| one["found"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn it_tells_what_is_so_now_and_not_what_was_said_last() {
    let installation = Installation::new();
    let doctor = || installation.runs(&["doctor", "--json"]).json();
    let serving = installation.node();
    installation.eventually("all is led", || {
        let report = doctor();
        bad(&report, "read models").is_empty() && bad(&report, "reactions").is_empty()
    });
    let report = doctor();
    assert!(bad(&report, "tables").is_empty(), "{report}");

    // Nobody is there any more to say that nobody is there.
    serving.kill();
    let all = projections::registry().len();
    installation.eventually("nobody leads", || {
        let report = doctor();
        let stand_still =
            bad(&report, "read models").iter().filter(|found| found.contains("stands still")).count();
        stand_still == all && bad(&report, "reactions").len() == 1
    });
    let status = installation.runs(&["projections", "status", "--json"]).succeeded().json();
    assert!(
        status["projections"].as_array().unwrap().iter().all(|one| one["state"] == "leaderless"),
        "{status}"
    );

    installation.sql("UPDATE log.identity SET incarnation = gen_random_uuid()");
    let diverged = bad(&doctor(), "read models");
    assert!(
        diverged.iter().all(|found| found.contains("is diverged: the log is another one")),
        "{diverged:?}"
    );

    installation.sql(&projections::qualified("DROP VIEW read.user_profiles"));
    let dropped = bad(&doctor(), "tables");
    assert!(dropped.len() == 1 && dropped[0].contains("read.user_profiles"), "{dropped:?}");
}
