//! The forms in which events go to the server, and the window in which commands are recognised.

use bytes::Bytes;
use domain::{
    Actor, ActorKind, Category, CommandId, CorrelationId, DeviceId, Digest, EventId, OrganizationId,
    SubjectId, Timestamp,
};
use uuid::Uuid;

use super::metadata::{self, Stored};
use super::recent::{COMMANDS_MIN, Tail};
use super::settings::StreamNames;
use crate::envelope::{CommandRef, Origin, Revision, StreamId, record_hash};
use crate::log::{Expected, NewEvent, StreamAppend};
use crate::sealed::{KeyRef, Tenant};

const WRITER: Uuid = Uuid::from_bytes([42; 16]);

fn append(number: u128, events: usize) -> StreamAppend {
    let organization = OrganizationId::from_bytes([1; 16]);
    let subject = SubjectId::from_bytes([2; 16]);
    let event = |n: usize| NewEvent {
        event_id: EventId::from(Uuid::from_u128(number + n as u128)),
        event_type: "conversation.message_sent",
        version: 3,
        payload: Bytes::from(format!("payload {n}")),
        key_ref: Some(KeyRef { tenant: Tenant::Organization(organization), subject, period: None }),
        sealed: Some(Bytes::from(format!("sealed {n}"))),
    };
    StreamAppend {
        stream: StreamId::new(Category::Conversation, Uuid::from_bytes([3; 16])),
        expected: Expected::Any,
        command: CommandRef {
            id: CommandId::from(Uuid::from_u128(number)),
            fingerprint: Digest::from_bytes([4; 32]),
        },
        origin: Origin {
            organization_id: Some(organization),
            actor: Actor { kind: ActorKind::Account, id: [5; 16] },
            device_id: Some(DeviceId::from_bytes([6; 16])),
            correlation_id: CorrelationId::from(Uuid::from_bytes([7; 16])),
            causation_id: Some(EventId::from_bytes([8; 16])),
            recorded_at: Timestamp::from_micros(1_790_000_000_123_456),
        },
        events: (0..events).map(event).collect(),
        conditions: Vec::new(),
    }
}

/// What the server gives back for what the client sent, which keeps its fields to itself: sent and read by hand.
fn stored(append: &StreamAppend, index: usize, revision: u64) -> eventstore::RecordedEvent {
    let event = &append.events[index];
    let data = metadata::encode(append, index, event, Revision::new(revision), WRITER).unwrap();
    let shown = format!("{data:?}");
    let names = StreamNames::new("t.").unwrap();
    let json = |text: &str| -> Bytes {
        // `EventData` shows its metadata as the bytes of a JSON text.
        let start = text.find("custom_metadata: Some(b\"").unwrap() + "custom_metadata: Some(b\"".len();
        let end = text[start..].rfind("\")").unwrap() + start;
        Bytes::from(text[start..end].replace("\\\"", "\""))
    };
    let mut whole = event.payload.to_vec();
    whole.extend_from_slice(event.sealed.as_deref().unwrap_or_default());
    eventstore::RecordedEvent {
        stream_id: names.name(append.stream),
        id: WRITER,
        revision,
        event_type: event.event_type.to_owned(),
        data: whole.into(),
        metadata: std::collections::HashMap::new(),
        custom_metadata: json(&shown),
        is_json: false,
        position: eventstore::Position { commit: 1_000 + revision, prepare: 1_000 + revision },
        created: Default::default(),
    }
}

fn read(event: eventstore::RecordedEvent) -> Result<Stored, String> {
    let names = StreamNames::new("t.").unwrap();
    metadata::decode(&names, event).expect("a stream of ours").map_err(|foreign| foreign.reason)
}

#[test]
fn an_event_is_read_back_as_it_was_written() {
    let append = append(9, 2);
    for index in 0..2 {
        let Stored { event, fingerprint } = read(stored(&append, index, index as u64)).unwrap();
        let sent = &append.events[index];
        assert_eq!(fingerprint, (index == 0).then_some(append.command.fingerprint));
        assert_eq!((event.stream, event.origin), (append.stream, append.origin));
        assert_eq!((event.event_id, event.command_id), (sent.event_id, append.command.id));
        assert_eq!((&event.payload, &event.sealed), (&sent.payload, &sent.sealed));
        assert_eq!((event.key_ref, event.version), (sent.key_ref, sent.version));
        let hash = record_hash(append.stream, event.revision, sent, append.command.id, &append.origin);
        assert_eq!(event.hash, hash, "the hash is the same on every engine");
    }
}

#[test]
fn an_event_that_is_not_ours_is_refused_with_a_reason() {
    let ours = || stored(&append(9, 1), 0, 0);
    let mut no_metadata = ours();
    no_metadata.custom_metadata = Bytes::new();
    let mut later_form = ours();
    let text = String::from_utf8(later_form.custom_metadata.to_vec()).unwrap();
    later_form.custom_metadata = Bytes::from(text.replace("\"envoi\":1", "\"envoi\":9"));
    let mut too_short = ours();
    too_short.data = Bytes::from_static(b"x");
    for (event, part) in [
        (no_metadata, "metadata is not ours"),
        (later_form, "the form 9"),
        (too_short, "longer than its data"),
    ] {
        let reason = read(event).unwrap_err();
        assert!(reason.contains(part), "{reason}");
    }
    let names = StreamNames::new("t.").unwrap();
    let mut elsewhere = ours();
    elsewhere.stream_id = "$stats-127.0.0.1:2113".to_owned();
    assert!(metadata::decode(&names, elsewhere).is_none());
}

#[test]
fn the_metadata_of_the_largest_kind_stays_below_what_is_reckoned() {
    let append = append(9, 1);
    let event = stored(&append, 0, 0);
    let reckoned = metadata::size(&append.events[0]);
    let taken = event.custom_metadata.len() + event.data.len() + event.event_type.len();
    assert!(taken <= reckoned, "{taken} of {reckoned}");
}

#[test]
fn commands_are_known_for_a_day_and_ten_thousand_of_them_for_longer() {
    const HOUR: i64 = 3_600_000_000;
    let mut tail = Tail::default();
    let stream = append(0, 1).stream;
    let follow = |tail: &mut Tail, number: u64, at: i64| {
        let mut command = append(u128::from(number) << 8, 1);
        command.origin.recorded_at = Timestamp::from_micros(at);
        tail.follow(&[read(stored(&command, 0, number)).unwrap()]);
    };
    let is_known = |tail: &Tail, number: u64| {
        tail.find(stream, CommandId::from(Uuid::from_u128(u128::from(number) << 8))).is_some()
    };
    let many = COMMANDS_MIN as u64 + 500;
    for number in 0..many {
        follow(&mut tail, number, 0);
    }
    assert!(is_known(&tail, 0), "all of the last day are known, however many");
    follow(&mut tail, many, 25 * HOUR);
    assert!(!is_known(&tail, 0) && !is_known(&tail, 500));
    assert!(is_known(&tail, 501), "the last 10,000 are known, however old");
    assert_eq!(tail.last(), Some(Revision::new(many)));
}
