//! `envoi demo` with the real binary, over every engine of the log: what it reports about what it played.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use std::path::Path;

use eventstore_schema::over_engines;
use eventstore_schema::testing::{Engine, TestLog};
use serde_json::{Value, json};
use support::{Dev, Ran, envoi};

over_engines! {
    any_script_is_played_on_a_server_that_runs_already,
    the_default_script_is_played_and_everything_is_as_it_should_be,
}

/// A log in the engine, for binaries whose PostgreSQL is their own.
async fn log(engine: Engine) -> TestLog {
    TestLog::create(engine, &tokio_postgres::Config::new().into()).await
}

/// Runs the demo for machines.
fn demo(arguments: &[&str]) -> Ran {
    Ran::of(envoi(&[&["demo", "--json"], arguments].concat()))
}

fn script(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// Everything that was played came out as it should.
fn assert_played(summary: &Value, people: u64, lines: u64) {
    let receptions = lines * (people - 1);
    let expected = json!({
        "people": people, "organizations": 2, "messages_sent": lines, "messages_received": lines,
        "messages_decrypted_equal": lines, "receptions": receptions, "receptions_equal": receptions,
        "receipts": people * 2, "deliveries_delivered": receptions, "deliveries_read": receptions,
        "second_device_equal": lines, "generations": 2, "removed_member_received": 0, "outsider_saw": 0,
        "failures": [],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&summary[name], value, "{name} in {summary}");
    }
}

/// The log was read and the read models compared.
fn assert_looked_behind(summary: &Value) {
    assert_eq!(summary["rebuild_digests_equal"], true, "{summary}");
    assert_log_was_read(summary);
    assert!(summary["rebuilt_events"].as_u64().unwrap() >= summary["events_in_log"].as_u64().unwrap());
}

/// How many rebuilds there were of each read model.
fn generations(config: &Path) -> Vec<u64> {
    let status = Ran::of(envoi(&["projections", "status", "--json", "--config", config.to_str().unwrap()]));
    let status = status.succeeded().json();
    status["projections"].as_array().unwrap().iter().map(|one| one["generation"].as_u64().unwrap()).collect()
}

fn assert_log_was_read(summary: &Value) {
    let projections = summary["projections"].as_array().unwrap();
    assert!(projections.len() >= 8, "{summary}");
    let last = projections[0]["position"].as_u64().unwrap();
    assert!(projections.iter().all(|one| one["position"] == last), "{summary}");
    assert!(summary["events_in_log"].as_u64().unwrap() > summary["messages_sent"].as_u64().unwrap());
}

async fn the_default_script_is_played_and_everything_is_as_it_should_be(engine: Engine) {
    let log = log(engine).await;
    let mut command = envoi(&["demo", "--json"]);
    command.env("ENVOI_LOG", log.setting());
    let summary = Ran::of(command).succeeded().json();
    assert_played(&summary, 4, 26);
    assert_looked_behind(&summary);
    let events = summary["events_in_log"].as_u64().unwrap();
    let position = summary["projections"][0]["position"].as_u64().unwrap();
    match engine {
        Engine::Postgres => assert_eq!(events, position, "{summary}"),
        Engine::EventStoreDb => assert!(events < position, "positions have gaps: {summary}"),
    }
}

async fn any_script_is_played_on_a_server_that_runs_already(engine: Engine) {
    let log = log(engine).await;
    let dev = Dev::start_over(&log.setting());
    let long = "long ".repeat(1_600);
    let text = format!(
        "# two people\n\nZoë van Dyk: 10:30? {{\"kind\":\"text\"}} \\u0000 🙂\r\nB: {long}\nB: same\nB: same\n"
    );
    let file = script(&text);
    let path = file.path().to_str().unwrap();
    let mail = dev.mail();
    let arguments = ["--script", path, "--server", &dev.url, "--mail-dir", mail.to_str().unwrap()];
    let summary = demo(&arguments).succeeded().json();
    assert_played(&summary, 2, 4);
    assert_eq!(summary["rebuild_digests_equal"], Value::Null, "nothing is known of the database: {summary}");

    // Once more, beside what is there, and with the installation's configuration: nobody asked for a rebuild.
    let config = dev.root.join("envoi.toml");
    let before = generations(&config);
    let arguments = [&arguments[..], &["--config", config.to_str().unwrap()]].concat();
    let summary = demo(&arguments).succeeded().json();
    assert_played(&summary, 2, 4);
    assert_eq!(summary["rebuild_digests_equal"], Value::Null, "{summary}");
    assert_log_was_read(&summary);
    assert_eq!(generations(&config), before);

    // And now somebody does.
    let arguments = [&arguments[..], &["--rebuild"]].concat();
    let summary = demo(&arguments).succeeded().json();
    assert_played(&summary, 2, 4);
    assert_looked_behind(&summary);
    assert!(generations(&config).iter().zip(&before).all(|(now, before)| now > before));

    // What servers and clients made of it keeps every rule.
    let config = config.to_str().unwrap();
    let verified = Ran::of(envoi(&["log", "verify", "--rules", "--json", "--config", config]));
    let verified = verified.succeeded().json();
    assert_eq!(verified["sound"], true, "{verified}");
    let events = verified["events"].as_u64().unwrap();
    assert!(events >= summary["events_in_log"].as_u64().unwrap(), "{verified} {summary}");
    assert!(verified["streams_replayed"].as_u64().unwrap() >= 10, "{verified}");
}

#[test]
fn what_cannot_be_played_is_refused_before_anything_starts() {
    let bad = script("Ann: fine\n\nthis line has no name\n");
    let refused = demo(&["--script", bad.path().to_str().unwrap()]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("line 3 is not of the form"), "{}", refused.stderr);
    let missing = demo(&["--script", "/nowhere/script.txt"]);
    assert_eq!(missing.code, 2, "{}", missing.stderr);
    let half = demo(&["--server", "http://127.0.0.1:1"]);
    assert_eq!(half.code, 2, "{}", half.stderr);
    let nothing = demo(&["--server", "http://127.0.0.1:1", "--mail-dir", "/tmp", "--rebuild"]);
    assert_eq!(nothing.code, 2, "{}", nothing.stderr);
    assert!(nothing.stderr.contains("no database is configured"), "{}", nothing.stderr);
}

#[test]
fn a_server_that_is_not_there_fails_the_demo() {
    let directory = tempfile::tempdir().unwrap();
    let mail = directory.path().to_str().unwrap();
    let failed = demo(&["--server", "http://127.0.0.1:1", "--mail-dir", mail, "--timeout", "2"]);
    assert_eq!(failed.code, 4, "{}", failed.stderr);
    assert!(failed.stderr.contains("not over after 2 s"), "{}", failed.stderr);
}
