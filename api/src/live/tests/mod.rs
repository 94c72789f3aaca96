//! The live socket over real sockets, a real log and real read models.

mod access;
mod audience;
mod catch_up;
mod client;
mod frames;
mod missed;
mod order;
mod receipts;
mod removal;
mod resume;
mod schemas;
mod signals;
mod site;
mod workspaces;

use std::sync::Arc;

use bytes::Bytes;
use domain::{Actor, Category, CorrelationId, Digest, Timestamp};
use eventstore_schema::{Origin, PageLimits, Position, RecordedEvent, Revision, StreamId};
use projections::Item;

use super::event::LiveEvent;

/// So many events at a time, however large.
pub fn few(events: usize) -> PageLimits {
    PageLimits { events, bytes: usize::MAX }
}

/// Something with so many sealed bytes; what exactly, nothing but its size and place matters of it.
pub fn message(position: u64, bytes: usize) -> Arc<LiveEvent> {
    let origin = Origin {
        organization_id: None,
        actor: Actor::ANONYMOUS,
        device_id: None,
        correlation_id: CorrelationId::from_bytes([0; 16]),
        causation_id: None,
        recorded_at: Timestamp::from_micros(0),
    };
    LiveEvent::new(Item::new(RecordedEvent {
        position: Position::new(position),
        stream: StreamId::new(Category::Conversation, domain::ConversationId::from_bytes([1; 16])),
        revision: Revision::new(position),
        event_id: domain::EventId::from_bytes([2; 16]),
        event_type: "conversation.unknown".to_owned(),
        version: 1,
        command_id: domain::CommandId::from_bytes([3; 16]),
        origin,
        payload: Bytes::new(),
        key_ref: None,
        sealed: Some(Bytes::from(vec![0; bytes])),
        hash: Digest::from_bytes([4; 32]),
    }))
}
