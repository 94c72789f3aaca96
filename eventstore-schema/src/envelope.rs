//! The envelope: everything that is recorded about an event beside its payload.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use domain::{
    Actor, Category, CommandId, CorrelationId, DeviceId, Digest, EventId, OrganizationId, Timestamp,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::sealed::{KeyRef, SealHeader, SealedCell};

/// A place in the global order of one log. Ordered, otherwise opaque: contiguous on PostgreSQL, with gaps elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(u64);

impl Position {
    /// Wraps the engine's number.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The engine's number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in one stream: 0 for the first event, contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(u64);

impl Revision {
    /// Wraps the number.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The revision `count` events later.
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a stream: `<category>-<id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Kind of aggregate.
    pub category: Category,
    /// Its id.
    pub id: Uuid,
}

impl StreamId {
    /// The stream of aggregate `id`.
    pub fn new(category: Category, id: impl Into<Uuid>) -> Self {
        Self { category, id: id.into() }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.category, self.id.hyphenated())
    }
}

/// The text names no stream of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a stream name: <category>-<uuid> is expected")]
pub struct InvalidStreamId;

impl FromStr for StreamId {
    type Err = InvalidStreamId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (category, id) = text.split_once('-').ok_or(InvalidStreamId)?;
        let category = Category::from_name(category).ok_or(InvalidStreamId)?;
        let id = Uuid::try_parse(id).map_err(|_| InvalidStreamId)?;
        Ok(Self { category, id })
    }
}

/// The command behind an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandRef {
    /// The same for every retry of one command.
    pub id: CommandId,
    /// Tells a retry from another command under the same id. [`crate::Sealer::fingerprint`] makes it, under keys that are
    /// destroyed with what was asked: equal ones are of the same command, different ones may be, under other versions of them.
    pub fingerprint: Digest,
}

/// Where an append comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The tenant; `None` for the platform.
    pub organization_id: Option<OrganizationId>,
    /// Who gave the command.
    pub actor: Actor,
    /// From which device.
    pub device_id: Option<DeviceId>,
    /// The request that set it off.
    pub correlation_id: CorrelationId,
    /// The event that a reaction answered.
    pub causation_id: Option<EventId>,
    /// When the command was given.
    pub recorded_at: Timestamp,
}

/// An event as it stands in the log. `Debug` shows neither payload nor sealed part.
#[derive(Clone, PartialEq)]
pub struct RecordedEvent {
    /// Place in the global order.
    pub position: Position,
    /// Its stream.
    pub stream: StreamId,
    /// Place in the stream.
    pub revision: Revision,
    /// Its id.
    pub event_id: EventId,
    /// Name in the catalogue.
    pub event_type: String,
    /// Version of its stored form.
    pub version: u16,
    /// The command that it came of.
    pub command_id: CommandId,
    /// Where it comes from.
    pub origin: Origin,
    /// Open part, encoded.
    pub payload: Bytes,
    /// Whose keys seal the sealed part; there exactly when `sealed` is.
    pub key_ref: Option<KeyRef>,
    /// Sealed part.
    pub sealed: Option<Bytes>,
    /// [`record_hash`] of everything above but the position.
    pub hash: Digest,
}

impl fmt::Debug for RecordedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedEvent")
            .field("position", &self.position)
            .field("stream", &self.stream)
            .field("revision", &self.revision)
            .field("event_id", &self.event_id)
            .field("event_type", &self.event_type)
            .field("version", &self.version)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

impl RecordedEvent {
    /// Bytes of its payload and sealed part.
    pub fn bytes(&self) -> usize {
        self.payload.len() + self.sealed.as_ref().map_or(0, Bytes::len)
    }

    /// The sealed part with all that opening it takes, as read rows store it.
    pub fn sealed_cell(&self) -> Option<SealedCell> {
        let key_ref = self.key_ref?;
        let sealed = self.sealed.clone()?;
        let header = SealHeader {
            event_id: self.event_id,
            event_type: self.event_type.clone(),
            version: self.version,
            stream: self.stream,
            key_ref,
        };
        Some(SealedCell { header, sealed })
    }
}

/// Hash of an event's canonical header with the hashes of both its parts; the same on every engine, so without position.
///
/// BLAKE3 in key-derivation mode over length-prefixed fields, integers big-endian, absent fields as length zero; see
/// `ops/docs/record-hash.md`.
pub fn record_hash(
    stream: StreamId,
    revision: Revision,
    event: &crate::NewEvent,
    command_id: CommandId,
    origin: &Origin,
) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("envoi 2026-11-21 record hash v1");
    let mut field = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        hasher.update(&length.to_be_bytes());
        hasher.update(bytes);
    };
    field(stream.category.name().as_bytes());
    field(stream.id.as_bytes());
    field(&revision.get().to_be_bytes());
    field(event.event_id.as_bytes());
    field(event.event_type.as_bytes());
    field(&event.version.to_be_bytes());
    field(command_id.as_bytes());
    field(origin.organization_id.as_ref().map_or(&[], |id| id.as_bytes().as_slice()));
    field(&[origin.actor.kind.code()]);
    field(&origin.actor.id);
    field(origin.device_id.as_ref().map_or(&[], |id| id.as_bytes().as_slice()));
    field(origin.correlation_id.as_bytes());
    field(origin.causation_id.as_ref().map_or(&[], |id| id.as_bytes().as_slice()));
    field(&origin.recorded_at.as_micros().to_be_bytes());
    field(&event.key_ref.map_or_else(Vec::new, |key_ref| key_ref.to_bytes()));
    field(blake3::hash(&event.payload).as_bytes());
    field(
        event
            .sealed
            .as_ref()
            .map(|sealed| blake3::hash(sealed))
            .as_ref()
            .map_or(&[], |hash| hash.as_bytes().as_slice()),
    );
    Digest::from_bytes(*hasher.finalize().as_bytes())
}
