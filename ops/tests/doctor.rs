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
