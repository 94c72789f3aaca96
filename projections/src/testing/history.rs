//! Histories written by hand: events as they would stand in the log, without a log.

use std::collections::HashMap;

use bytes::Bytes;
use domain::{
    Actor, CommandId, CorrelationId, Event, EventGroup, EventId, OrganizationId, SubjectId, Timestamp,
};
use eventstore_schema::{
    KeyRef, NewEvent, Origin, Position, RecordedEvent, Revision, StreamId, catalogue, record_hash,
};

/// Records events one after another. Sealed parts are bytes that nobody can open, as for a projection they always are.
#[derive(Default)]
pub struct History {
    position: u64,
    revisions: HashMap<StreamId, u64>,
    organizations: HashMap<StreamId, OrganizationId>,
}

impl History {
    /// An empty history.
    pub fn new() -> Self {
        Self::default()
    }

    /// The moment at which the event at `position` is recorded.
    pub fn at(position: u64) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000 + i64::try_from(position).expect("a position"))
    }

    /// Records an event in the stream of its category and `id`. The organization that was named for a stream once holds
    /// for its later events.
    pub fn record(
        &mut self,
        id: impl Into<uuid::Uuid>,
        organization: Option<OrganizationId>,
        actor: Actor,
        event: impl Into<Event>,
    ) -> RecordedEvent {
        let event = event.into();
        let kinds = Event::types();
        let kind = kinds.iter().find(|one| one.name == event.name()).expect("a type in the catalogue");
        let stream = StreamId::new(kind.category, id);
        let organization = organization.or_else(|| self.organizations.get(&stream).copied());
        if let Some(organization) = organization {
            self.organizations.insert(stream, organization);
        }
        self.position += 1;
        let revision = self.revisions.entry(stream).or_default();
        let recorded = self::recorded(
            self.position,
            stream,
            *revision,
            organization,
            actor,
            &event,
            kind.sealed.is_some(),
        );
        *revision += 1;
        recorded
    }
}

fn recorded(
    position: u64,
    stream: StreamId,
    revision: u64,
    organization_id: Option<OrganizationId>,
    actor: Actor,
    event: &Event,
    is_sealed: bool,
) -> RecordedEvent {
    let id = u128::from(position).to_be_bytes();
    let key_ref = KeyRef {
        tenant: organization_id.into(),
        subject: SubjectId::from_bytes(*stream.id.as_bytes()),
        period: None,
    };
    let new = NewEvent {
        event_id: EventId::from_bytes(id),
        event_type: event.name(),
        version: event.version(),
        payload: catalogue::encode(event).expect("an event encodes"),
        key_ref: is_sealed.then_some(key_ref),
        sealed: is_sealed.then(|| Bytes::copy_from_slice(blake3::hash(&id).as_bytes())),
    };
    let origin = Origin {
        organization_id,
        actor,
        device_id: None,
        correlation_id: CorrelationId::from_bytes(id),
        causation_id: None,
        recorded_at: History::at(position),
    };
    let command_id = CommandId::from_bytes(id);
    RecordedEvent {
        position: Position::new(position),
        stream,
        revision: Revision::new(revision),
        event_id: new.event_id,
        event_type: new.event_type.to_owned(),
        version: new.version,
        command_id,
        hash: record_hash(stream, Revision::new(revision), &new, command_id, &origin),
        origin,
        payload: new.payload,
        key_ref: new.key_ref,
        sealed: new.sealed,
    }
}
