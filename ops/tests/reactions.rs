//! `envoi reactions` with the real binary: what was set aside is seen, tried again and discarded, and each decision is an event.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use std::process::Stdio;

use bytes::Bytes;
use domain::{Category, SessionId};
use eventstore_schema::{Position, ReadFilter, StreamId};
use serde_json::{Value, json};
use support::{Installation, Ran};

const REACTION: &str = "session_revoke";

fn stream(nth: u8) -> StreamId {
    StreamId::new(Category::Session, SessionId::from_bytes([nth; 16]))
}

/// Appends an event that no release can decode.
fn poison(installation: &Installation, stream: StreamId) -> Position {
    installation.append(stream, "session.started", Bytes::from_static(b"?"))
}

fn of(installation: &Installation, name: &str) -> Value {
    let told = installation.runs(&["reactions", "--json"]).succeeded().json();
    let all = told["reactions"].as_array().unwrap();
    all.iter().find(|one| one["reaction"] == name).unwrap().clone()
}

fn listed(installation: &Installation) -> Vec<Value> {
    let listed = installation.runs(&["reactions", "list", REACTION, "--json"]).succeeded().json();
    listed["parked"].as_array().unwrap().clone()
}

/// The operators' decisions in the log, in order.
fn decisions(installation: &Installation) -> Vec<String> {
    let filter = ReadFilter { categories: vec![Category::Operations], ..ReadFilter::default() };
    let events = installation.block_on(installation.log.read_all(None, 100, &filter)).unwrap();
    assert!(events.iter().all(|event| event.origin.actor == domain::Actor::OPERATOR));
    events.into_iter().map(|event| event.event_type).collect()
}

#[test]
fn an_event_that_cannot_be_answered_is_shown_and_the_others_go_on() {
    let installation = Installation::new();
    let before = of(&installation, REACTION);
    assert_eq!((&before["position"], &before["parked_events"]), (&Value::Null, &json!(0)));
    let position = poison(&installation, stream(1));
    let _server = installation.serve("reactor");
    installation.eventually("it is set aside", || of(&installation, REACTION)["parked_events"] == 1);
    installation.eventually("the others pass it", || {
        of(&installation, "device_fanout")["position"] == position.get()
    });
    let rows = listed(&installation);
    let [row] = rows.as_slice() else { panic!("{rows:#?}") };
    assert_eq!(
        (&row["position"], &row["stream"], &row["ordering_key"]),
        (&json!(position.get()), &json!(stream(1).to_string()), &json!(stream(1).to_string()))
    );
    assert!(row["attempts"].as_u64().is_some_and(|attempts| attempts >= 5), "{row}");
    let text = installation.runs(&["reactions", "list"]).succeeded().stdout;
    assert!(text.starts_with("REACTION") && text.contains(&stream(1).to_string()), "{text}");
    let text = installation.runs(&["reactions"]).succeeded().stdout;
    assert!(text.contains("`envoi reactions list`"), "{text}");
    // What is set aside is no reason to take no requests.
    let doctor = installation.runs(&["doctor"]);
    assert!(doctor.stdout.contains("session_revoke has set 1 event aside"), "{}", doctor.stdout);
}

#[test]
fn operators_retry_and_discard_on_record() {
    let installation = Installation::new();
    let position = poison(&installation, stream(1));
    let behind = poison(&installation, stream(1));
    let _server = installation.serve("reactor");
    installation.eventually("both are set aside", || of(&installation, REACTION)["parked_events"] == 2);
    assert_eq!(listed(&installation)[0]["waiting"], 1);
    let (at, at_behind) = (position.to_string(), behind.to_string());
    let retried = installation.runs(&["reactions", "retry", REACTION, &at, "--json"]);
    assert_eq!(retried.code, 4, "{}\n{}", retried.stdout, retried.stderr);
    assert_eq!(retried.json()["outcome"], "failed_again");
    let waits = installation.runs(&["reactions", "retry", REACTION, &at_behind]);
    assert_eq!(waits.code, 2, "{}", waits.stderr);
    assert!(waits.stderr.contains("waits for one before it"), "{}", waits.stderr);

    let discard = |at: &str, more: &[&str]| {
        installation.command(&[&["reactions", "discard", REACTION, at, "--json"], more].concat())
    };
    let unconfirmed = Ran::of(discard(&at, &[]));
    assert_eq!(unconfirmed.code, 2, "{}", unconfirmed.stderr);
    // Two operators at once: it is decided once.
    let both: Vec<_> = (0..2)
        .map(|_| discard(&at, &["--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    for child in both {
        let ran = Ran::from(child.wait_with_output().unwrap());
        // The later one may find it done already.
        if ran.code == 2 {
            assert!(ran.stderr.contains("has not set aside"), "{}", ran.stderr);
        } else {
            assert_eq!(ran.succeeded().json()["outcome"], "discarded");
        }
    }
    installation.eventually("the one behind is tried", || {
        listed(&installation)
            .first()
            .is_some_and(|row| row["position"] == behind.get() && row["error"] != Value::Null)
    });
    Ran::of(discard(&at_behind, &["--yes"])).succeeded();
    assert_eq!(listed(&installation), Vec::<Value>::new());
    assert_eq!(installation.runs(&["reactions", "list"]).succeeded().stdout.trim(), "Nothing is set aside.");
    assert_eq!(
        decisions(&installation),
        [
            "operations.parked_event_retried",
            "operations.parked_event_discarded",
            "operations.parked_event_discarded"
        ]
    );
}

#[test]
fn what_cannot_be_decided_is_refused_by_name() {
    let installation = Installation::new();
    let refused = |arguments: &[&str], because: &str| {
        let ran = installation.runs(&[&["reactions"], arguments].concat());
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(because), "{}", ran.stderr);
    };
    refused(&["list", "mails"], "there is no reaction mails");
    refused(&["retry", "mails", "1"], "there is no reaction mails");
    refused(&["retry", REACTION, "1"], "has not set aside");
    refused(&["discard", REACTION, "1", "--yes"], "has not set aside");
    assert_eq!(decisions(&installation), Vec::<String>::new());
}

#[test]
fn a_decision_waits_for_a_reactor_to_run() {
    let installation = Installation::new();
    let position = poison(&installation, stream(1));
    let server = installation.serve("reactor");
    installation.eventually("it is set aside", || of(&installation, REACTION)["parked_events"] == 1);
    server.kill();
    let at = position.to_string();
    let decided =
        installation.runs(&["reactions", "discard", REACTION, &at, "--yes", "--wait", "1", "--json"]);
    assert_eq!(decided.code, 3, "{}\n{}", decided.stdout, decided.stderr);
    assert!(decided.stderr.contains("recorded at position"), "{}", decided.stderr);
    let _server = installation.serve("reactor");
    installation.eventually("it is carried out", || listed(&installation).is_empty());
}
