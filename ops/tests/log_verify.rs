//! `envoi log verify` with the real binary, against a superuser who rewrites the log: whatever can be found is.

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

use domain::account::EmailConfirmed;
use domain::conversation::MessageSent;
use domain::{Category, Event, EventGroup};
use eventstore_schema::{ReadFilter, RecordedEvent, catalogue};
use projections::testing::World;
use serde_json::Value;
use support::Installation;

/// What restores the log after each attempt: as superuser, past the triggers.
const KEEP: &str = "CREATE SCHEMA kept; CREATE TABLE kept.events AS TABLE log.events; \
     CREATE TABLE kept.commands AS TABLE log.commands; CREATE TABLE kept.streams AS TABLE log.streams";
const RESTORE: &str = "SET session_replication_role = replica; \
     DELETE FROM log.events; INSERT INTO log.events SELECT * FROM kept.events; \
     DELETE FROM log.commands; INSERT INTO log.commands SELECT * FROM kept.commands; \
     DELETE FROM log.streams; INSERT INTO log.streams SELECT * FROM kept.streams";

struct Tampering {
    installation: Installation,
    events: Vec<RecordedEvent>,
}

impl Tampering {
    fn new() -> Self {
        let installation = Installation::new();
        let mut world = World::new(Arc::clone(&installation.log), 11);
        installation.block_on(world.live(250));
        let all = ReadFilter::all();
        let events = installation.block_on(installation.log.read_all(None, 10_000, &all)).unwrap();
        installation.sql(KEEP);
        Self { installation, events }
    }

    /// An event of this type, not among the first ones of the log, whose stream goes on.
    fn event(&self, event_type: &str) -> &RecordedEvent {
        let goes_on = |event: &&RecordedEvent| {
            self.events.iter().any(|later| later.stream == event.stream && later.revision > event.revision)
        };
        let mut found = self.events.iter().filter(|event| event.event_type == event_type).filter(goes_on);
        found.next().unwrap_or_else(|| panic!("no {event_type}"))
    }

    fn verify(&self, arguments: &[&str]) -> (i32, Value) {
        let ran = self.installation.runs(&[&["log", "verify", "--json"], arguments].concat());
        (ran.code, ran.json())
    }

    /// What is found after the log was changed so. The change is undone.
    fn found(&self, sql: &str) -> Vec<(Option<u64>, String)> {
        self.installation.sql(&format!("SET session_replication_role = replica; {sql}"));
        let (code, value) = self.verify(&[]);
        self.installation.sql(RESTORE);
        let findings = value["findings"].as_array().unwrap();
        assert_eq!(
            (code, value["sound"] == false),
            (if findings.is_empty() { 0 } else { 4 }, code == 4),
            "{value}"
        );
        let events = value["events"].as_u64().unwrap() as usize;
        assert!(events + 1 >= self.events.len(), "it goes on: {value}");
        findings.iter().map(|one| (one["position"].as_u64(), support::text(one, "kind"))).collect()
    }

    #[track_caller]
    fn assert_found(&self, sql: &str, position: Option<u64>, kind: &str) {
        let found = self.found(sql);
        assert!(
            found.contains(&(position, kind.to_owned())),
            "{sql}: {kind} at {position:?} is not in {found:?}"
        );
    }
}

#[test]
fn every_changed_column_of_an_event_is_found() {
    let tampering = Tampering::new();
    assert_eq!(tampering.verify(&["--rules"]).0, 0);
    let sent = tampering.event("conversation.message_sent");
    let position = sent.position.get();
    let changes = [
        ("payload = set_byte(payload, 40, get_byte(payload, 40) # 1)", "hash"),
        ("payload = '\\x00'", "undecodable"),
        ("sealed = set_byte(sealed, 0, get_byte(sealed, 0) # 1)", "hash"),
        ("sealed = NULL", "hash"),
        ("key_ref = NULL", "hash"),
        ("key_ref = '\\x00'", "unreadable"),
        ("actor_id = gen_random_uuid()", "hash"),
        ("actor_kind = 2", "hash"),
        ("actor_kind = 77", "unreadable"),
        ("device_id = NULL", "hash"),
        ("organization_id = gen_random_uuid()", "hash"),
        ("recorded_at = recorded_at + interval '1 microsecond'", "hash"),
        ("event_type = 'conversation.message_edited'", "hash"),
        ("event_type = 'conversation.message_lost'", "undecodable"),
        ("version = version + 1", "undecodable"),
        ("event_id = gen_random_uuid()", "hash"),
        ("correlation_id = gen_random_uuid()", "hash"),
        ("causation_id = gen_random_uuid()", "hash"),
        ("command_id = gen_random_uuid()", "command"),
        ("hash = set_byte(hash, 0, get_byte(hash, 0) # 1)", "hash"),
        ("hash = '\\x00'", "unreadable"),
        ("category = 99", "unreadable"),
        ("category = 1", "hash"),
        ("revision = revision + 1000", "revision"),
    ];
    for (change, kind) in changes {
        let sql = format!("UPDATE log.events SET {change} WHERE position = {position}");
        tampering.assert_found(&sql, Some(position), kind);
    }
    // Each was undone.
    assert_eq!(tampering.verify(&["--rules"]).0, 0);
}

#[test]
fn rows_that_are_gone_moved_or_swapped_are_found() {
    let tampering = Tampering::new();
    let sent = tampering.event("conversation.message_sent");
    let (position, stream) = (sent.position.get(), sent.stream);
    let deleted = format!("DELETE FROM log.events WHERE position = {position}");
    tampering.assert_found(&deleted, Some(position), "position");
    tampering.assert_found(&deleted, Some(position), "command");

    // With its command the gap is still there, and the stream's next event comes too early.
    let with_command =
        format!("{deleted}; DELETE FROM log.commands WHERE position = {position} AND count = 1");
    let next = tampering.events.iter().find(|event| event.stream == stream && event.revision > sent.revision);
    tampering.assert_found(&with_command, next.map(|event| event.position.get()), "revision");

    // The last event alone: what stands beside it tells.
    let last = tampering.events.last().unwrap();
    let at = last.position.get();
    tampering.assert_found(&format!("DELETE FROM log.events WHERE position = {at}"), Some(at), "command");
    tampering.assert_found(&format!("DELETE FROM log.events WHERE position = {at}"), None, "stream");

    // To another place, or in place of another.
    let moved = format!("UPDATE log.events SET position = 5000000 WHERE position = {position}");
    tampering.assert_found(&moved, Some(position), "position");
    tampering.assert_found(&moved, Some(5_000_000), "command");
    let to_zero = format!("UPDATE log.events SET position = 0 WHERE position = {position}");
    tampering.assert_found(&to_zero, Some(0), "position");
    let other = tampering.event("account.registered").position.get();
    let swapped = format!(
        "UPDATE log.events SET position = 5000000 WHERE position = {position}; \
         UPDATE log.events SET position = {position} WHERE position = {other}; \
         UPDATE log.events SET position = {other} WHERE position = 5000000"
    );
    tampering.assert_found(&swapped, Some(position), "command");
    tampering.assert_found(&swapped, Some(other), "command");

    // Into another stream, behind its end.
    let registered = tampering.event("account.registered");
    let others = tampering
        .events
        .iter()
        .filter(|event| event.stream.category == Category::Account && event.stream != registered.stream);
    let elsewhere = others.max_by_key(|event| event.revision).unwrap();
    let (position, id) = (registered.position.get(), elsewhere.stream.id);
    let moved = format!(
        "UPDATE log.events SET stream_id = '{id}', revision = {} WHERE position = {position}",
        elsewhere.revision.get() + 1
    );
    for kind in ["hash", "stream"] {
        tampering.assert_found(&moved, Some(position), kind);
    }
}

#[test]
fn the_tables_beside_the_events_are_compared_with_them() {
    let tampering = Tampering::new();
    let sent = tampering.event("conversation.message_sent");
    let (position, command) = (sent.position.get(), sent.command_id);
    let (id, at) = (sent.stream.id, Some(position));
    for (sql, position, kind) in [
        (format!("DELETE FROM log.commands WHERE id = '{command}'"), at, "command"),
        (format!("UPDATE log.commands SET position = position + 1 WHERE id = '{command}'"), at, "command"),
        (format!("UPDATE log.commands SET count = count + 1 WHERE id = '{command}'"), at, "command"),
        (format!("UPDATE log.commands SET count = 0 WHERE id = '{command}'"), at, "command"),
        ("INSERT INTO log.commands VALUES (gen_random_uuid(), '\\x00', 3, 1)".to_owned(), Some(3), "command"),
        (format!("DELETE FROM log.streams WHERE id = '{id}'"), at, "stream"),
        (format!("UPDATE log.streams SET revision = 0 WHERE id = '{id}'"), at, "stream"),
        (format!("UPDATE log.streams SET revision = revision + 1 WHERE id = '{id}'"), None, "stream"),
        (format!("UPDATE log.streams SET position_max = position_min WHERE id = '{id}'"), at, "stream"),
        ("INSERT INTO log.streams VALUES (gen_random_uuid(), 2, 0, 1, 2)".to_owned(), None, "stream"),
    ] {
        tampering.assert_found(&sql, position, kind);
    }
}

#[test]
fn what_no_command_makes_is_found_by_the_rules_only() {
    let tampering = Tampering::new();
    let installation = &tampering.installation;
    // Whole and well recorded, but nobody could have decided it.
    let sent = tampering.event("conversation.message_sent");
    let Ok(Event::Conversation(decoded)) = catalogue::decode_recorded(sent) else { panic!() };
    let domain::conversation::ConversationEvent::MessageSent(decoded) = decoded else { panic!() };
    let forged = MessageSent { number: 1, ..decoded };
    let payload = catalogue::encode(&Event::from(forged)).unwrap();
    let position = installation.append(sent.stream, "conversation.message_sent", payload).get();
    let account = tampering.event("account.email_confirmed");
    let again = Event::from(EmailConfirmed { account_id: account.stream.id.into() });
    let payload = catalogue::encode(&again).unwrap();
    let twice = installation.append(account.stream, again.name(), payload).get();

    let (code, value) = tampering.verify(&[]);
    assert_eq!((code, &value["sound"]), (0, &Value::Bool(true)), "{value}");
    let (code, value) = tampering.verify(&["--rules"]);
    let found: Vec<_> =
        value["findings"].as_array().unwrap().iter().map(|one| one["position"].as_u64()).collect();
    assert_eq!(code, 4, "{value}");
    assert_eq!(value["findings_by_kind"]["rule"], 2, "{value}");
    assert!(found.contains(&Some(position)) && found.contains(&Some(twice)), "{value}");

    // Two are found, one is named; people see it, too.
    let ran = installation.runs(&["log", "verify", "--rules", "--findings", "1"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stdout.contains("and 1 more") && ran.stdout.contains("2 FOUND"), "{}", ran.stdout);
    assert!(ran.stdout.contains(" breaks "), "{}", ran.stdout);
    assert!(ran.stderr.contains("runbooks/verify.md"), "{}", ran.stderr);
}

#[test]
fn a_noted_end_shows_what_was_cut_off_or_rewritten_since() {
    let tampering = Tampering::new();
    let (code, value) = tampering.verify(&["--rules"]);
    assert_eq!(code, 0, "{value}");
    let (noted, hash) = (value["position"].as_u64().unwrap().to_string(), support::text(&value, "hash"));
    let since = ["--rules", "--since", &noted, "--hash", &hash];
    let account = tampering.event("account.registered");
    let (code, value) = tampering.verify(&since);
    assert_eq!((code, value["events"].as_u64()), (0, Some(0)), "{value}");
    let changed = domain::account::ProfileChanged { account_id: account.stream.id.into() };
    let payload = catalogue::encode(&Event::from(changed)).unwrap();
    tampering.installation.append(account.stream, "account.profile_changed", payload);
    let (code, value) = tampering.verify(&since);
    assert_eq!((code, &value["events"], &value["streams_replayed"]), (0, &1.into(), &1.into()), "{value}");

    // The newest events with all that tells of them: of that the log itself knows nothing.
    tampering.installation.sql(RESTORE);
    let last = tampering.events.last().unwrap();
    let (command, id, end) = (last.command_id, last.stream.id, last.revision.get());
    let count = tampering.events.iter().filter(|event| event.command_id == command).count() as u64;
    let stream = match end + 1 == count {
        true => format!("DELETE FROM log.streams WHERE id = '{id}' AND revision = {end}"),
        false => format!(
            "UPDATE log.streams SET revision = {end} - {count} WHERE id = '{id}' AND revision = {end}"
        ),
    };
    tampering.installation.sql(&format!(
        "SET session_replication_role = replica; DELETE FROM log.events WHERE command_id = '{command}'; \
         DELETE FROM log.commands WHERE id = '{command}'; {stream}"
    ));
    assert_eq!(tampering.verify(&["--rules"]).0, 0);
    let (code, value) = tampering.verify(&since);
    assert_eq!((code, &value["findings"][0]["kind"]), (4, &Value::from("position")), "{value}");
    let elsewhere = ["--since", "3", "--hash", &hash];
    tampering.installation.sql(RESTORE);
    let (code, value) = tampering.verify(&elsewhere);
    assert_eq!((code, &value["findings_total"]), (4, &1.into()), "{value}");
}
