//! Test vectors as files that another language could run, under `eventstore-schema/vectors/`.

use std::path::Path;

use domain::{ConversationId, OrganizationId, Period, SubjectId};
use serde_json::Value;
use uuid::Uuid;

use crate::StreamId;
use crate::sealed::{KeyRef, SealHeader, Tenant};

/// The file with this name.
pub(crate) fn load(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    serde_json::from_slice(&std::fs::read(path).expect("the vectors")).expect("JSON")
}

/// The entries of a list; never none.
pub(crate) fn each<'a>(vectors: &'a Value, list: &str) -> &'a [Value] {
    let entries = vectors[list].as_array().expect("a list");
    assert!(!entries.is_empty(), "{list}");
    entries
}

/// A field of hexadecimal bytes.
pub(crate) fn bytes(entry: &Value, field: &str) -> Vec<u8> {
    unhex(entry[field].as_str().unwrap_or_else(|| panic!("{field} of {entry}")))
}

/// The same where it may be null.
pub(crate) fn some_bytes(entry: &Value, field: &str) -> Option<Vec<u8>> {
    (!entry[field].is_null()).then(|| bytes(entry, field))
}

/// A field of `N` hexadecimal bytes.
pub(crate) fn array<const N: usize>(entry: &Value, field: &str) -> [u8; N] {
    bytes(entry, field).try_into().unwrap_or_else(|_| panic!("{field} of {entry}"))
}

/// A number.
pub(crate) fn number<T: TryFrom<i64>>(entry: &Value, field: &str) -> T {
    let number = entry[field].as_i64().unwrap_or_else(|| panic!("{field} of {entry}"));
    T::try_from(number).unwrap_or_else(|_| panic!("{field} of {entry}"))
}

/// A text.
pub(crate) fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry[field].as_str().unwrap_or_else(|| panic!("{field} of {entry}"))
}

/// A UUID, where there is one.
pub(crate) fn some_uuid(entry: &Value, field: &str) -> Option<Uuid> {
    (!entry[field].is_null()).then(|| text(entry, field).parse().expect("a UUID"))
}

/// A UUID.
pub(crate) fn uuid(entry: &Value, field: &str) -> Uuid {
    some_uuid(entry, field).unwrap_or_else(|| panic!("{field} of {entry}"))
}

/// Hexadecimal text as bytes.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The stream that category and id name.
pub(crate) fn stream(entry: &Value) -> StreamId {
    let category = domain::Category::from_name(text(entry, "category")).expect("a category");
    StreamId::new(category, uuid(entry, "stream_id"))
}

/// The header of a sealed part.
pub(crate) fn header(entry: &Value) -> SealHeader {
    let period = &entry["period"];
    SealHeader {
        event_id: uuid(entry, "event_id").into(),
        event_type: text(entry, "event_type").to_owned(),
        version: number(entry, "event_version"),
        stream: stream(entry),
        key_ref: KeyRef {
            tenant: Tenant::from(some_uuid(entry, "organization").map(OrganizationId::from)),
            subject: SubjectId::from_bytes(uuid(entry, "subject").into_bytes()),
            period: (!period.is_null()).then(|| Period {
                conversation: ConversationId::from(uuid(period, "conversation")),
                number: number(period, "number"),
            }),
        },
    }
}

#[test]
fn record_hashes_are_those_of_the_vectors() {
    use crate::{NewEvent, Origin, Revision, record_hash};
    use domain::{Actor, ActorKind, Timestamp};

    for entry in each(&load("record-hash.json"), "records") {
        let kind = ActorKind::from_code(number(entry, "actor_kind")).expect("a kind of actor");
        let origin = Origin {
            organization_id: some_uuid(entry, "organization").map(Into::into),
            actor: Actor { kind, id: array(entry, "actor_id") },
            device_id: some_uuid(entry, "device_id").map(Into::into),
            correlation_id: uuid(entry, "correlation_id").into(),
            causation_id: some_uuid(entry, "causation_id").map(Into::into),
            recorded_at: Timestamp::from_micros(number(entry, "recorded_at")),
        };
        let name = text(entry, "event_type");
        let known = domain::Event::types().into_iter().find(|one| one.name == name).expect("an event");
        let event = NewEvent {
            event_id: uuid(entry, "event_id").into(),
            event_type: known.name,
            version: number(entry, "version"),
            payload: bytes(entry, "payload").into(),
            key_ref: some_bytes(entry, "key_ref").map(|it| KeyRef::from_bytes(&it).expect("a key reference")),
            sealed: some_bytes(entry, "sealed").map(Into::into),
        };
        let revision = Revision::new(number(entry, "revision"));
        let command_id = uuid(entry, "command_id").into();
        let hash = record_hash(stream(entry), revision, &event, command_id, &origin);
        assert_eq!(hash.as_bytes().as_slice(), bytes(entry, "hash"), "{}", entry["name"]);
        assert_eq!(
            blake3::derive_key("envoi 2026-11-21 record hash v1", &bytes(entry, "canonical")).to_vec(),
            bytes(entry, "hash")
        );
    }
}
