//! The catalogue: from (name, version) to the typed event or record, whatever version was written.
//!
//! A changed struct is a new version: its old form stays beside it as a struct of its own, with a line in `UPCASTERS` that
//! turns the old bytes into those of the next version. Versions are climbed one by one, so a line once written stays.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use bytes::Bytes;
use domain::account::{PasswordSet, PasswordSetV1};
use domain::records::RecordDecoder;
use domain::{Event, EventGroup, Payload, PayloadDecoder, PayloadVisitor, PersonalRecord, Record};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::codec::{self, CodecError};
use crate::envelope::RecordedEvent;

/// Why stored bytes cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// No event or record of that name.
    #[error("type {0} is not in the catalogue")]
    UnknownType(String),
    /// No decoder for that version: written by a newer release.
    #[error("type {name} version {version} is not in the catalogue, which knows up to {known}")]
    UnknownVersion {
        /// Name of the event or record.
        name: String,
        /// Version found.
        version: u16,
        /// Version written today.
        known: u16,
    },
    /// The bytes are not of that type.
    #[error("type {name} version {version}")]
    Codec {
        /// Name of the event or record.
        name: String,
        /// Version found.
        version: u16,
        /// What is wrong with the bytes.
        source: CodecError,
    },
}

/// Stored bytes of the next version.
pub type Raised = Result<Zeroizing<Vec<u8>>, CodecError>;

/// Turns the stored bytes of one version into those of the next.
#[derive(Clone, Copy)]
pub struct Upcaster {
    /// Name of the event or record.
    pub name: &'static str,
    /// Version that it reads; it writes the next.
    pub from: u16,
    /// The change; [`upcast`] for a struct and its successor.
    pub change: fn(&[u8]) -> Raised,
}

/// Every change of a stored struct, ever: one line each.
const UPCASTERS: &[Upcaster] =
    &[Upcaster { name: PasswordSet::NAME, from: 1, change: upcast::<PasswordSetV1, PasswordSet> }];

/// The change from a struct to its successor: `upcast::<OldV1, New>`.
///
/// # Errors
/// When the bytes are not of the old struct.
pub fn upcast<Old, New>(bytes: &[u8]) -> Raised
where
    Old: DeserializeOwned,
    New: Serialize + From<Old>,
{
    codec::encode_secret(&New::from(codec::decode::<Old>(bytes)?))
}

struct Encode;

impl PayloadVisitor for Encode {
    type Output = Result<Bytes, CodecError>;

    fn visit<P: Payload>(self, payload: &P) -> Self::Output {
        codec::encode(payload)
    }
}

/// Stored bytes of a version, and the way up from it.
struct Decode<'a> {
    upcasters: &'a [Upcaster],
    version: u16,
    bytes: &'a [u8],
}

impl Decode<'_> {
    /// Climbs to version `known` of `name` and decodes there.
    fn climb<T: DeserializeOwned>(self, name: &str, known: u16) -> Result<T, CatalogueError> {
        let Self { upcasters, version, bytes } = self;
        let codec = |source| CatalogueError::Codec { name: name.to_owned(), version, source };
        if version == known {
            return codec::decode(bytes).map_err(codec);
        }
        let mut raised = Zeroizing::new(bytes.to_vec());
        for from in version..known {
            let step = upcasters.iter().find(|one| one.name == name && one.from == from);
            let Some(step) = step else { return Err(unknown_version(name, version, known)) };
            raised = (step.change)(&raised).map_err(codec)?;
        }
        if version > known {
            return Err(unknown_version(name, version, known));
        }
        codec::decode(&raised).map_err(codec)
    }
}

fn unknown_version(name: &str, version: u16, known: u16) -> CatalogueError {
    CatalogueError::UnknownVersion { name: name.to_owned(), version, known }
}

impl PayloadDecoder for Decode<'_> {
    type Error = CatalogueError;

    fn decode<P: Payload>(self) -> Result<P, CatalogueError> {
        self.climb(P::NAME, P::VERSION)
    }
}

impl RecordDecoder for Decode<'_> {
    type Error = CatalogueError;

    fn decode<R: Record>(self) -> Result<R, CatalogueError> {
        self.climb(R::NAME, R::VERSION)
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
    decode_with(UPCASTERS, name, version, payload)
}

fn decode_with(
    upcasters: &[Upcaster],
    name: &str,
    version: u16,
    payload: &[u8],
) -> Result<Event, CatalogueError> {
    Event::decode(name, Decode { upcasters, version, bytes: payload })
        .unwrap_or_else(|| Err(CatalogueError::UnknownType(name.to_owned())))
}

/// Decodes a recorded event's open part.
///
/// # Errors
/// As [`decode`].
pub fn decode_recorded(event: &RecordedEvent) -> Result<Event, CatalogueError> {
    decode(&event.event_type, event.version, &event.payload)
}

/// Decodes a personal record of a type known to the caller, whatever version it was written in.
///
/// # Errors
/// When the version is unknown or the bytes are not of that record.
pub fn decode_record<R: Record>(version: u16, bytes: &[u8]) -> Result<R, CatalogueError> {
    RecordDecoder::decode(Decode { upcasters: UPCASTERS, version, bytes })
}

/// Decodes a personal record by name.
///
/// # Errors
/// When name or version are unknown or the bytes are not of that record.
pub fn decode_named_record(name: &str, version: u16, bytes: &[u8]) -> Result<PersonalRecord, CatalogueError> {
    PersonalRecord::decode(name, Decode { upcasters: UPCASTERS, version, bytes })
        .unwrap_or_else(|| Err(CatalogueError::UnknownType(name.to_owned())))
}

static NAMES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| Event::types().into_iter().map(|one| one.name).collect());

/// The name of an event as the catalogue has it; `None` for one that this release does not know.
pub fn name_of(event_type: &str) -> Option<&'static str> {
    NAMES.get(event_type).copied()
}

static SEALED_RECORDS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    Event::types().into_iter().filter_map(|one| one.sealed.map(|sealed| (one.name, sealed.name))).collect()
});

/// Name of the record that the event's sealed part holds; `None` for an event without one.
pub fn sealed_record(event_type: &str) -> Option<&'static str> {
    SEALED_RECORDS.get(event_type).copied()
}

#[cfg(test)]
mod tests;
