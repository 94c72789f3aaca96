//! Appends for tests, and shorthands.

use bytes::Bytes;
use domain::{Actor, Category, CommandId, CorrelationId, Digest, EventId, Timestamp};
use eventstore_schema::{
    CommandRef, EventLog, Expected, NewEvent, Origin, Position, ReadFilter, RecordedEvent, Revision,
    StreamAppend, StreamId,
};
use uuid::Uuid;

/// Events in a page where a test reads pages: small, so that there are several.
const PAGE: usize = 7;

/// A stream that no other test knows.
pub fn stream() -> StreamId {
    StreamId::new(Category::Conversation, Uuid::new_v4())
}

/// A command that no other test knows.
pub fn command() -> CommandRef {
    let id = Uuid::new_v4();
    CommandRef {
        id: CommandId::from(id),
        fingerprint: Digest::from_bytes(*blake3::hash(id.as_bytes()).as_bytes()),
    }
}

pub fn origin() -> Origin {
    Origin {
        organization_id: None,
        actor: Actor::SYSTEM,
        device_id: None,
        correlation_id: CorrelationId::from(Uuid::new_v4()),
        causation_id: None,
        recorded_at: Timestamp::from_micros(1_790_000_000_123_456),
    }
}

pub fn event(payload: impl Into<Bytes>) -> NewEvent {
    NewEvent {
        event_id: EventId::from(Uuid::new_v4()),
        event_type: "conversation.message_sent",
        version: 1,
        payload: payload.into(),
        key_ref: None,
        sealed: None,
    }
}

/// The first append to a new stream: a command of `count` events.
pub fn append(stream: StreamId, count: usize) -> StreamAppend {
    StreamAppend {
        stream,
        expected: Expected::NoStream,
        command: command(),
        origin: origin(),
        events: (0..count).map(|n| event(format!("event {n}"))).collect(),
        conditions: Vec::new(),
    }
}

pub fn append_at(stream: StreamId, revision: u64, count: usize) -> StreamAppend {
    StreamAppend { expected: Expected::Exact(Revision::new(revision)), ..append(stream, count) }
}

/// The whole stream, read in small pages.
pub async fn read(log: &dyn EventLog, stream: StreamId) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    loop {
        let page = log.read_stream(stream, Revision::new(events.len() as u64), PAGE).await.unwrap();
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

/// Everything behind a position, read in small pages.
pub async fn read_all_after(log: &dyn EventLog, after: Option<Position>) -> Vec<RecordedEvent> {
    let mut events: Vec<RecordedEvent> = Vec::new();
    loop {
        let from = events.last().map(|event| event.position).or(after);
        let page = log.read_all(from, PAGE, &ReadFilter::all()).await.unwrap();
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

pub async fn head(log: &dyn EventLog) -> Option<Position> {
    log.head().await.unwrap().position
}
