//! Old versions climb, unknown ones are refused, and what may be stored where is checked on every event's schema.

use domain::AccountId;
use domain::account::{AccountEvent, AccountMetadata, AccountRegistered, LoginLocked};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::*;

/// A form that `account.login_locked` could have had before.
#[derive(Serialize, Deserialize)]
struct Seconds {
    account_id: AccountId,
    until_seconds: i64,
}

/// And the one before that.
#[derive(Serialize, Deserialize)]
struct Minimal(AccountId);

impl From<Minimal> for Seconds {
    fn from(old: Minimal) -> Self {
        Self { account_id: old.0, until_seconds: 7 }
    }
}

impl From<Seconds> for LoginLocked {
    fn from(old: Seconds) -> Self {
        let until = domain::Timestamp::from_micros(old.until_seconds * 1_000_000);
        Self { account_id: old.account_id, failures: 0, until }
    }
}

const LOCKED: &str = "account.login_locked";
const ACCOUNT: AccountId = AccountId::from_bytes([5; 16]);

fn climb(version: u16, known: u16, bytes: &[u8]) -> Result<LoginLocked, CatalogueError> {
    let upcasters = &[
        Upcaster { name: LOCKED, from: 1, change: upcast::<Minimal, Seconds> },
        Upcaster { name: LOCKED, from: 2, change: upcast::<Seconds, LoginLocked> },
    ];
    Decode { upcasters, version, bytes }.climb(LOCKED, known)
}

#[test]
fn old_versions_climb_step_by_step_to_the_current_one() {
    let oldest = codec::encode(&Minimal(ACCOUNT)).unwrap();
    let older = codec::encode(&Seconds { account_id: ACCOUNT, until_seconds: 9 }).unwrap();
    let current = LoginLocked { account_id: ACCOUNT, failures: 3, until: domain::Timestamp::from_micros(4) };
    assert_eq!(climb(1, 3, &oldest).unwrap().until.as_micros(), 7_000_000);
    assert_eq!(climb(2, 3, &older).unwrap().until.as_micros(), 9_000_000);
    assert_eq!(climb(3, 3, &codec::encode(&current).unwrap()).unwrap(), current);
}

#[test]
fn an_old_event_decodes_to_the_event_of_today() {
    let upcasters = &[Upcaster { name: LOCKED, from: 0, change: upcast::<Seconds, LoginLocked> }];
    let bytes = codec::encode(&Seconds { account_id: ACCOUNT, until_seconds: 9 }).unwrap();
    let expected =
        LoginLocked { account_id: ACCOUNT, failures: 0, until: domain::Timestamp::from_micros(9_000_000) };
    assert_eq!(decode_with(upcasters, LOCKED, 0, &bytes).unwrap(), Event::from(expected));
    assert!(matches!(decode(LOCKED, 0, &bytes), Err(CatalogueError::UnknownVersion { .. })));
}

#[test]
fn a_version_without_a_way_up_is_unknown() {
    let bytes = codec::encode(&Minimal(ACCOUNT)).unwrap();
    for (version, known) in [(0, 3), (4, 3), (3, 4), (1, 5)] {
        let refused = climb(version, known, &bytes);
        assert!(matches!(refused, Err(CatalogueError::UnknownVersion { .. })), "{version} of {known}");
    }
}

#[test]
fn events_of_unknown_names_and_later_versions_are_refused_by_name() {
    let event = domain::Event::from(AccountEvent::Registered(AccountRegistered { account_id: ACCOUNT }));
    let bytes = encode(&event).unwrap();
    assert_eq!(decode("account.registered", 1, &bytes).unwrap(), event);
    assert!(matches!(decode("account.registered", 2, &bytes), Err(CatalogueError::UnknownVersion { .. })));
    assert!(matches!(decode("account.vanished", 1, &bytes), Err(CatalogueError::UnknownType(_))));
    let longer = [bytes.as_ref(), &[0]].concat();
    assert!(matches!(decode("account.registered", 1, &longer), Err(CatalogueError::Codec { .. })));
}

#[test]
fn every_version_below_the_current_one_has_its_way_up() {
    let events = Event::types().into_iter().map(|one| (one.name, one.version));
    let records = PersonalRecord::types().into_iter().map(|one| (one.name, one.version));
    for (name, current) in events.chain(records) {
        for version in 1..current {
            let steps = UPCASTERS.iter().filter(|one| one.name == name && one.from == version).count();
            assert_eq!(steps, 1, "{name} from version {version}");
        }
        assert!(current >= 1, "{name}");
    }
}

#[test]
fn names_fit_where_their_length_is_one_byte() {
    for one in Event::types() {
        assert!(one.name.len() <= 255 && one.category.name().len() <= 255, "{}", one.name);
    }
}

#[test]
fn every_sealed_part_is_a_record_of_the_registry() {
    let registry: Vec<_> = PersonalRecord::types().into_iter().map(|one| (one.name, one.version)).collect();
    for one in Event::types() {
        if let Some(sealed) = one.sealed {
            assert!(registry.contains(&(sealed.name, sealed.version)), "{} seals {}", one.name, sealed.name);
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..512), version in 0u16..3) {
        for one in Event::types() {
            let _ = decode(one.name, version, &bytes);
        }
        for one in PersonalRecord::types() {
            let _ = decode_named_record(one.name, version, &bytes);
        }
    }

    #[test]
    fn what_was_written_reads_back(phone in prop::option::of(".{0,20}"), address in prop::option::of(".{0,80}")) {
        let record = AccountMetadata { phone, address };
        let bytes = codec::encode_secret(&record).unwrap();
        prop_assert!(decode_record::<AccountMetadata>(1, &bytes).unwrap() == record);
        prop_assert_eq!(&codec::encode(&record).unwrap()[..], &bytes[..]);
    }
}

/// What a leaf of a stored struct can be.
#[derive(Debug, PartialEq)]
enum Leaf {
    Id,
    Code,
    Time,
    FixedBytes,
    Integer,
    Boolean,
    Text,
    Bytes,
    Refused,
}

fn leaf(schema: &Value) -> Leaf {
    let word = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
    match (word("type"), word("format")) {
        ("string", "uuid") => Leaf::Id,
        ("string", "code") if schema["enum"].is_array() => Leaf::Code,
        ("string", "base64url") if schema["x-bytes"].is_u64() => Leaf::FixedBytes,
        ("string", "base64url") => Leaf::Bytes,
        ("string", "") if schema.get("minLength").is_none() && schema.get("enum").is_none() => Leaf::Text,
        ("integer", "timestamp-micros") => Leaf::Time,
        ("integer", "uint8" | "uint16" | "uint32" | "uint64" | "int64" | "int32") => Leaf::Integer,
        ("boolean", "") => Leaf::Boolean,
        _ => Leaf::Refused,
    }
}

/// Takes an optional schema's `null` away; bincode writes a presence byte for it.
fn present(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(kinds) = schema["type"].as_array() {
        let rest: Vec<_> = kinds.iter().filter(|kind| *kind != "null").cloned().collect();
        if let [one] = rest.as_slice() {
            schema["type"] = one.clone();
        }
    }
    if let Some([one, null]) = schema["anyOf"].as_array().map(Vec::as_slice)
        && *null == serde_json::json!({ "type": "null" })
    {
        return one.clone();
    }
    schema
}

/// Calls `each` for every leaf. Maps, tuples, enumerations of structs, sets and defaults come out as refused leaves.
fn walk(root: &Value, schema: &Value, path: &str, each: &mut dyn FnMut(&str, Leaf)) {
    let schema = present(schema);
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).expect("a definition");
        return walk(root, target, path, each);
    }
    let odd = ["default", "oneOf", "anyOf", "allOf", "prefixItems", "uniqueItems", "additionalProperties"];
    if odd.iter().any(|key| schema.get(*key).is_some()) {
        return each(path, Leaf::Refused);
    }
    match (schema["type"].as_str(), schema.get("properties"), schema.get("items")) {
        (Some("object"), Some(Value::Object(fields)), None) => {
            for (name, field) in fields {
                walk(root, field, &format!("{path}.{name}"), each);
            }
        }
        (Some("array"), None, Some(items)) => walk(root, items, &format!("{path}[]"), each),
        (Some("object" | "array"), ..) => each(path, Leaf::Refused),
        _ => each(path, leaf(&schema)),
    }
}

/// Byte strings without fixed length in open parts: (path, why it is not personal).
const OPEN_BYTES: &[(&str, &str)] = &[
    ("conversation.generation_committed.wraps[].ciphertext", "a wrapped key, 80 bytes by rule"),
    ("conversation.wrap_added.wrap.ciphertext", "a wrapped key, 80 bytes by rule"),
];

#[test]
fn open_parts_hold_ids_codes_times_counters_and_keys_only() {
    for one in Event::types() {
        let schema = (one.schema)().to_value();
        let mut leaves = 0;
        walk(&schema, &schema, one.name, &mut |path, leaf| {
            leaves += 1;
            let allowed = match leaf {
                Leaf::Id | Leaf::Code | Leaf::Time | Leaf::FixedBytes | Leaf::Integer | Leaf::Boolean => true,
                Leaf::Bytes => OPEN_BYTES.iter().any(|(open, _)| *open == path),
                Leaf::Text | Leaf::Refused => false,
            };
            assert!(allowed, "{path} is {leaf:?}: personal data belongs in the sealed part");
        });
        assert!(leaves > 0, "{}", one.name);
    }
}

#[test]
fn sealed_records_hold_stored_kinds_only() {
    for one in PersonalRecord::types() {
        let schema = (one.schema)().to_value();
        let mut leaves = 0;
        walk(&schema, &schema, one.name, &mut |path, leaf| {
            leaves += 1;
            assert_ne!(leaf, Leaf::Refused, "{path}");
        });
        assert!(leaves > 0, "{}", one.name);
    }
}

#[test]
fn kinds_that_must_not_be_stored_are_noticed() {
    #[derive(schemars::JsonSchema)]
    #[allow(dead_code)]
    enum Choice {
        One(u8),
        Two { text: String },
    }
    #[derive(schemars::JsonSchema)]
    #[allow(dead_code)]
    struct Bad {
        float: f64,
        map: std::collections::BTreeMap<String, u32>,
        set: std::collections::BTreeSet<u32>,
        pair: (u8, u16),
        letter: char,
        choice: Choice,
        #[serde(default)]
        late: u32,
        optional: Option<f32>,
        nested: Vec<std::collections::HashMap<String, u8>>,
    }
    let schema = schemars::schema_for!(Bad).to_value();
    let mut refused = Vec::new();
    walk(&schema, &schema, "bad", &mut |path, leaf| {
        assert_eq!(leaf, Leaf::Refused, "{path}");
        refused.push(path.to_owned());
    });
    assert_eq!(refused.len(), 9, "{refused:?}");
}
