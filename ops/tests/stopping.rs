//! How a server starts and ends among others: it waits for its database, and leaves after it has said so.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, Stdio};

use serde_json::{Value, json};
use support::{Installation, Serving};

/// What a server says of its readiness where operators ask, with the status.
fn readiness(installation: &Installation, serving: &Serving) -> (u16, Value) {
    let (status, body) = installation.get(&format!("{}/health/ready", serving.metrics));
    (status, serde_json::from_str(&body).unwrap())
}

#[test]
fn who_is_asked_to_end_is_not_ready_any_more_and_answers_on_for_a_while() {
    let installation = Installation::new();
    let serving = installation.serve_with("api,projector,reactor", |command| {
        command.env("ENVOI_SERVER_DRAIN_SECONDS", "600");
    });
    installation.eventually("it is ready", || readiness(&installation, &serving).0 == 200);
    // As from a terminal that is closed.
    serving.signal("HUP");
    assert_eq!(readiness(&installation, &serving).0, 200);

    serving.signal("TERM");
    installation.eventually("it is not ready", || readiness(&installation, &serving).0 == 503);
    let (_, told) = readiness(&installation, &serving);
    assert_eq!(told["parts"], json!({ "process": { "ready": false, "state": "draining" } }));
    assert_eq!(installation.get(&format!("{}/v1/openapi.json", serving.url())).0, 200);

    serving.signal("TERM");
    assert!(serving.ends(), "it ends in order, long before the time is over");
}

/// A server that has said that it waits for its database.
fn waiting(installation: &Installation) -> (Child, Lines<BufReader<ChildStderr>>) {
    installation.database_stops();
    let mut command = installation.command(&["serve", "--json"]);
    command.env("ENVOI_TELEMETRY_FILTER", "warn").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = told.any(|line| line.unwrap().contains("waiting for PostgreSQL"));
    assert!(waits && child.try_wait().unwrap().is_none(), "it ended instead");
    (child, told)
}

#[test]
fn a_server_waits_for_its_database_and_says_so() {
    let installation = Installation::new();
    let (child, _told) = waiting(&installation);
    installation.database_starts();
    let serving = Serving::of(child);
    installation.eventually("it is ready", || readiness(&installation, &serving).0 == 200);
}

#[test]
fn who_waits_for_its_database_ends_when_asked_to() {
    let installation = Installation::new();
    let (mut child, _told) = waiting(&installation);
    support::terminate(&mut child);
    assert!(child.wait().unwrap().success());
}
