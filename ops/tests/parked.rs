//! Parked streams with the real binary: what is parked is seen, tried again and left out, and each decision is an event.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use std::process::Stdio;
use std::sync::Arc;

use bytes::Bytes;
use domain::account::LoginLocked;
use domain::{AccountId, Category, Event, Timestamp};
use eventstore_schema::{Position, ReadFilter, StreamId, catalogue};
use projections::testing::World;
use serde_json::{Value, json};
use support::{Installation, Ran};

/// An installation with a history, and one of its accounts.
fn installation() -> (Installation, AccountId) {
    let installation = Installation::new();
    let mut world = World::new(Arc::clone(&installation.log), 7);
    installation.block_on(world.live(40));
    let account = *world.accounts().first().unwrap();
    (installation, account)
}

fn stream(account: AccountId) -> StreamId {
    StreamId::new(Category::Account, account)
}

/// Appends an event that changes the row of an account's security.
fn lock(installation: &Installation, account_id: AccountId) -> Position {
    let locked = LoginLocked { account_id, failures: 5, until: Timestamp::from_micros(9) };
    let payload = catalogue::encode(&Event::from(locked)).unwrap();
    installation.append(stream(account_id), "account.login_locked", payload)
}

/// Appends an event that no release can decode.
fn poison(installation: &Installation, account_id: AccountId) -> Position {
    installation.append(stream(account_id), "account.from_the_future", Bytes::from_static(b"?"))
}

fn parked(installation: &Installation, projection: &str) -> Vec<Value> {
    let listed = installation.runs(&["projections", "parked", projection, "--json"]).succeeded().json();
    listed["parked"].as_array().unwrap().clone()
}

fn retry(installation: &Installation, projection: &str, stream: &str) -> Ran {
    installation.runs(&["projections", "retry", projection, stream, "--json"])
}

fn assert_verified(installation: &Installation, projections: &[&str]) {
    let arguments = [&["projections", "verify", "--json"], projections].concat();
    let verified = installation.runs(&arguments).succeeded().json();
    assert_eq!(verified["equal"], true, "{verified}");
}

/// A projection that has parked a stream is not called equal, and the stream is named.
fn assert_parked(installation: &Installation, projection: &str, stream: &str) {
    let ran = installation.runs(&["projections", "verify", projection, "--json"]);
    let verified = ran.json();
    assert_eq!((ran.code, &verified["equal"]), (4, &json!(false)), "{verified}");
    let one = &verified["projections"][0];
    assert_eq!((&one["equal"], &one["parked"][0]["stream"]), (&json!(false), &json!(stream)), "{verified}");
    assert!(one["tables"].as_array().unwrap().iter().all(|table| table["equal"] == true), "{verified}");
    let ran = installation.runs(&["projections", "verify", projection]);
    assert!(ran.stdout.contains("PARKED") && ran.stdout.contains(stream), "{}", ran.stdout);
    assert!(ran.stderr.contains("streams are parked"), "{}", ran.stderr);
}

/// Types of the operators' events in the log.
fn decisions(installation: &Installation) -> Vec<String> {
    let filter = ReadFilter { categories: vec![Category::Operations], ..ReadFilter::default() };
    let events = installation.block_on(installation.log.read_all(None, 100, &filter)).unwrap();
    assert!(events.iter().all(|event| event.origin.actor == domain::Actor::OPERATOR));
    events.into_iter().map(|event| event.event_type).collect()
}

#[test]
fn a_stream_is_tried_again_until_what_failed_is_mended() {
    let (installation, account) = installation();
    let name = stream(account).to_string();
    let _server = installation.serve("projector");
    let head = installation.block_on(installation.log.head()).unwrap().position.unwrap();
    installation.settled(head);
    let empty = installation.runs(&["projections", "parked"]).succeeded();
    assert_eq!(empty.stdout.trim(), "Nothing is parked: every event was folded.");
    assert_eq!(parked(&installation, "accounts"), Vec::<Value>::new());

    // Somebody removed a row by hand.
    let key = format!("account_id = '{account}'");
    installation.sql(&format!(
        "CREATE TABLE kept AS SELECT * FROM rm_accounts_1.user_security_states WHERE {key}; \
         DELETE FROM rm_accounts_1.user_security_states WHERE {key}"
    ));
    let failed = lock(&installation, account);
    let behind = lock(&installation, account);
    installation.settled(behind);
    let listed = parked(&installation, "accounts");
    let [row] = listed.as_slice() else { panic!("one is parked: {listed:#?}") };
    assert_eq!((&row["stream"], &row["position"]), (&json!(name), &json!(failed.get())));
    assert_eq!((&row["attempts"], &row["events"]), (&json!(1), &json!(2)));
    assert_eq!(row["event_type"], "account.login_locked");
    assert!(row["error"].as_str().unwrap().contains("user_security_states has no row"), "{row}");
    let table = installation.runs(&["projections", "parked"]).succeeded().stdout;
    assert!(table.starts_with("PROJECTION") && table.contains(&name), "{table}");

    for attempt in 2..=3 {
        let again = retry(&installation, "accounts", &name);
        assert_eq!(again.code, 4, "{}", again.stderr);
        assert_eq!(again.json()["outcome"], "failed_again");
        let now = &parked(&installation, "accounts")[0];
        assert_eq!((&now["attempts"], &now["since"]), (&json!(attempt), &row["since"]), "{now}");
    }
    installation.sql("INSERT INTO rm_accounts_1.user_security_states SELECT * FROM kept");
    let mended = retry(&installation, "accounts", &name).succeeded().json();
    assert_eq!((&mended["outcome"], &mended["parked"]), (&json!("folded"), &Value::Null));
    assert_eq!(parked(&installation, "accounts"), Vec::<Value>::new());
    assert_verified(&installation, &[]);
    assert_eq!(decisions(&installation), ["operations.parked_stream_retried"; 3]);

    let nothing = retry(&installation, "accounts", &name);
    assert_eq!(nothing.code, 2, "{}", nothing.stderr);
    assert!(nothing.stderr.contains("has not parked"), "{}", nothing.stderr);
}

#[test]
fn an_event_that_is_never_understood_is_left_out_and_the_rest_goes_on() {
    let (installation, account) = installation();
    let name = stream(account).to_string();
    let position = poison(&installation, account);
    let behind = lock(&installation, account);
    let _server = installation.serve("projector");
    installation.settled(behind);
    let discard = |more: &[&str]| {
        installation.command(&[&["projections", "discard", "accounts", &name, "--json"], more].concat())
    };
    let unconfirmed = Ran::of(discard(&[]));
    assert_eq!(unconfirmed.code, 2, "{}", unconfirmed.stderr);
    assert!(unconfirmed.stderr.contains("--yes"), "{}", unconfirmed.stderr);
    let another = Ran::of(discard(&["--yes", "--position", &behind.to_string()]));
    assert_eq!(another.code, 2, "{}", another.stderr);
    assert_eq!(parked(&installation, "accounts")[0]["position"], position.get());
    assert_eq!(decisions(&installation), Vec::<String>::new());

    // Two operators at once: both are told that it is done, and it was decided once.
    let both: Vec<_> = (0..2)
        .map(|_| discard(&["--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    for child in both {
        let ran = Ran::from(child.wait_with_output().unwrap());
        // The later one may find it done already.
        if ran.code == 2 {
            assert!(ran.stderr.contains("has not parked"), "{}", ran.stderr);
        } else {
            assert_eq!(ran.succeeded().json()["outcome"], "left_out");
        }
    }
    assert_eq!(decisions(&installation), ["operations.parked_stream_discarded"]);
    assert_eq!(parked(&installation, "accounts"), Vec::<Value>::new());
    assert_verified(&installation, &["accounts"]);
    // The others have parked it by themselves, and a rebuild leaves out what was discarded.
    assert_eq!(parked(&installation, "sessions").len(), 1);
    assert_parked(&installation, "sessions", &name);
    installation.runs(&["projections", "rebuild", "--json"]).succeeded();
    assert_eq!(parked(&installation, "accounts"), Vec::<Value>::new());
    assert_eq!(parked(&installation, "sessions").len(), 1);
    // What was discarded is gone for retries too.
    let late = retry(&installation, "accounts", &name);
    assert_eq!(late.code, 2, "{}", late.stderr);
}

#[test]
fn what_cannot_be_decided_is_refused_by_name() {
    let (installation, account) = installation();
    let name = stream(account).to_string();
    let refused = |arguments: &[&str], because: &str| {
        let ran = installation.runs(&[&["projections"], arguments].concat());
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(because), "{}", ran.stderr);
    };
    refused(&["parked", "acounts"], "there is no projection acounts");
    refused(&["retry", "acounts", &name], "there is no projection acounts");
    refused(&["retry", "accounts", "nonsense"], "invalid value 'nonsense'");
    refused(
        &["discard", "accounts", "account-00000000-0000-0000-0000-0000000000ff", "--yes"],
        "the log has no stream",
    );
    refused(&["discard", "accounts", &name, "--yes"], "has not parked");
    assert_eq!(decisions(&installation), Vec::<String>::new());
}

#[test]
fn a_decision_waits_for_a_projector_to_run() {
    let (installation, account) = installation();
    let name = stream(account).to_string();
    let position = poison(&installation, account);
    let server = installation.serve("projector");
    installation.settled(position);
    server.kill();
    let decided =
        installation.runs(&["projections", "discard", "accounts", &name, "--yes", "--wait", "1", "--json"]);
    assert_eq!(decided.code, 3, "{}\n{}", decided.stdout, decided.stderr);
    assert!(decided.stderr.contains("recorded at position"), "{}", decided.stderr);
    assert_eq!(parked(&installation, "accounts").len(), 1);
    let _server = installation.serve("projector");
    installation.eventually("the decision is carried out", || parked(&installation, "accounts").is_empty());
    assert_verified(&installation, &["accounts"]);
}
