//! The catalogue: from (event name, version) to the typed event.

use std::collections::HashMap;
use std::sync::LazyLock;

use bytes::Bytes;
use domain::{Event, EventGroup, Payload, PayloadDecoder, PayloadVisitor, Record};

use crate::codec::{self, CodecError};
use crate::envelope::RecordedEvent;

/// Why a recorded event cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// No event of that name.
    #[error("event type {0} is not in the catalogue")]
    UnknownType(String),
    /// No decoder for that version: written by a newer release.
    #[error("event type {name} version {version} is not in the catalogue, which knows up to {known}")]
    UnknownVersion {
        /// Name of the event.
        name: String,
        /// Version found.
        version: u16,
        /// Version written today.
        known: u16,
    },
    /// The bytes are not of that type.
    #[error("event type {name} version {version}")]
    Codec {
        /// Name of the event.
        name: String,
        /// Version found.
        version: u16,
        /// What is wrong with the bytes.
        source: CodecError,
    },
}

struct Encode;

impl PayloadVisitor for Encode {
    type Output = Result<Bytes, CodecError>;

    fn visit<P: Payload>(self, payload: &P) -> Self::Output {
        codec::encode(payload)
    }
}

struct Decode<'a> {
    version: u16,
    bytes: &'a [u8],
}

impl PayloadDecoder for Decode<'_> {
    type Error = CatalogueError;

    fn decode<P: Payload>(self) -> Result<P, CatalogueError> {
        let (name, version) = (P::NAME.to_owned(), self.version);
        if version != P::VERSION {
            return Err(CatalogueError::UnknownVersion { name, version, known: P::VERSION });
        }
        codec::decode(self.bytes).map_err(|source| CatalogueError::Codec { name, version, source })
    }
}

/// Encodes an event's open part.
///
/// # Errors
/// When a field is of a kind that cannot be stored.
pub fn encode(event: &impl EventGroup) -> Result<Bytes, CodecError> {
    event.visit(Encode)
}

/// Decodes an event's open part, whatever version it was written in.
///
/// # Errors
/// When name or version are unknown or the bytes are not of that type.
pub fn decode(name: &str, version: u16, payload: &[u8]) -> Result<Event, CatalogueError> {
    Event::decode(name, Decode { version, bytes: payload })
        .unwrap_or_else(|| Err(CatalogueError::UnknownType(name.to_owned())))
}

/// Decodes a recorded event's open part.
///
/// # Errors
/// As [`decode`].
pub fn decode_recorded(event: &RecordedEvent) -> Result<Event, CatalogueError> {
    decode(&event.event_type, event.version, &event.payload)
}

static SEALED_RECORDS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    Event::types().into_iter().filter_map(|one| one.sealed.map(|sealed| (one.name, sealed.name))).collect()
});

/// Name of the record that the event's sealed part holds; `None` for an event without one.
pub fn sealed_record(event_type: &str) -> Option<&'static str> {
    SEALED_RECORDS.get(event_type).copied()
}

/// Decodes a sealed record, whatever version it was written in.
///
/// # Errors
/// When the version is unknown or the bytes are not of that record.
pub fn decode_record<R: Record>(version: u16, bytes: &[u8]) -> Result<R, CodecError> {
    if version != R::VERSION {
        return Err(CodecError::Version { version, known: R::VERSION });
    }
    codec::decode(bytes)
}
