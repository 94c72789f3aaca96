//! What comes of each event is as its schema says, and there is one for each that comes to anybody.

use std::path::PathBuf;

use domain::{Actor, Event, EventType, PersonalRecord, SubjectId};
use eventstore_schema::keyring::{Destruction, KeyName};
use eventstore_schema::{Position, Revision, StreamId, catalogue, golden};
use projections::Item;
use serde_json::Value;

use super::super::audience::Audience;
use super::super::event::LiveEvent;
use super::super::schemas::{SCHEMAS, document};
use super::site::{ORGANIZATION, Site};

fn sample(name: &str, version: u16) -> Vec<u8> {
    let path = PathBuf::from(golden::DIRECTORY).join(format!("{name}.v{version}.bin"));
    std::fs::read(path).unwrap()
}

/// One of a kind of event, as it is stored, with its record.
fn stored(kind: &EventType) -> (Event, Option<PersonalRecord>) {
    let event = catalogue::decode(kind.name, kind.version, &sample(kind.name, kind.version)).unwrap();
    let record = kind.sealed.map(|sealed| {
        let bytes = sample(&format!("record.{}", sealed.name), sealed.version);
        catalogue::decode_named_record(sealed.name, sealed.version, &bytes).unwrap()
    });
    (event, record)
}

#[test]
fn every_event_that_comes_has_a_schema_and_no_other() {
    let comes = |kind: &EventType| {
        let audience = Audience::of_event(&stored(kind).0, 3, Some(ORGANIZATION));
        audience.conversation.is_some() || audience.account.is_some() || audience.workspace.is_some()
    };
    let mut coming: Vec<_> = Event::types().iter().filter(|kind| comes(kind)).map(|kind| kind.name).collect();
    coming.sort_unstable();
    // In this order: they are looked up in it.
    assert_eq!(SCHEMAS.iter().map(|schema| schema.name).collect::<Vec<_>>(), coming);
    assert!(SCHEMAS.iter().all(|schema| schema.version > 0));
}

/// `UPDATE_LIVE_EVENTS=1 cargo test -p api live` writes the file anew. A change that a client of the version before misreads is a
/// new version.
#[test]
fn the_committed_schemas_are_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/live-events.json");
    let fresh = format!("{}\n", serde_json::to_string_pretty(document()).unwrap());
    if std::env::var_os("UPDATE_LIVE_EVENTS").is_some() {
        std::fs::write(path, &fresh).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == fresh,
        "api/live-events.json is old: run UPDATE_LIVE_EVENTS=1 cargo test -p api live"
    );
}

#[test]
fn no_two_types_share_a_name() {
    let types = document()["$defs"].as_object().unwrap().keys().filter(|name| !name.contains('.'));
    for name in types {
        assert!(!name.ends_with(|last: char| last.is_ascii_digit()), "{name} is the name of two types");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_each_is_as_its_schema_says() {
    let site = Site::new().await;
    let node = site.node().await;
    let validator = jsonschema::validator_for(document()).unwrap();
    let check = |name: &str, json: &[u8]| -> Value {
        let event: Value = serde_json::from_slice(json).unwrap();
        let faults: Vec<_> = validator.iter_errors(&event).map(|fault| fault.to_string()).collect();
        assert_eq!(faults, Vec::<String>::new(), "{name}: {event}");
        event
    };
    let mut met = 0;
    for kind in Event::types() {
        let Some(schema) = SCHEMAS.iter().find(|schema| schema.name == kind.name) else { continue };
        let stream = StreamId::new(kind.category, node.state.clock.new_id::<domain::AccountId>());
        node.write(stream, Some(ORGANIZATION), Actor::ANONYMOUS, vec![stored(&kind)]).await;
        let log = node.state.live.feed.log();
        let recorded = log.read_stream(stream, Revision::new(0), 1).await.unwrap().remove(0);
        let live = LiveEvent::new(Item::new(recorded));
        let event = check(kind.name, &live.json(&node.state.sealer).await.unwrap());
        assert_eq!(event["schema"], schema.version, "{}", kind.name);
        assert_eq!(event.get("resource").is_some(), schema.shows_resource(), "{}", kind.name);
        // What REST shows has the sealed part in it.
        let told = !event["sealed"].is_null() || !event["resource"].is_null();
        assert!(told || kind.sealed.is_none(), "{}: {event}", kind.name);
        if kind.sealed.is_some() {
            let subject = SubjectId::from_bytes(*stream.id.as_bytes());
            let destruction = Destruction { position: Position::new(9), at: node.state.clock.now() };
            node.state.sealer.keyring().destroy(KeyName::Subject(subject), destruction).await.unwrap();
            let event = check(kind.name, &live.json(&node.state.sealer).await.unwrap());
            assert_eq!((&event["erased"], &event["sealed"]), (&Value::Bool(true), &Value::Null));
        }
        met += 1;
    }
    assert_eq!(met, SCHEMAS.len());
    // The check can fail.
    assert!(!validator.is_valid(&serde_json::json!({ "name": "conversation.message_sent", "schema": 1 })));
}
