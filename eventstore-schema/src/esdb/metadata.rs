//! An event as it stands on the server: the payload, and the sealed part behind it, as bytes; the rest of the envelope as
//! JSON metadata. The fields are those of the PostgreSQL engine's columns; correlation and causation have the names that
//! the server's own tools look for.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use bytes::{Bytes, BytesMut};
use domain::{
    Actor, ActorKind, CommandId, CorrelationId, DeviceId, Digest, EventId, OrganizationId, Timestamp,
};
use eventstore::EventData;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::settings::StreamNames;
use crate::envelope::{Origin, Position, RecordedEvent, Revision, record_hash};
use crate::log::{NewEvent, StreamAppend};
use crate::sealed::KeyRef;

/// Version of this form.
const FORM: u8 = 1;

/// The envelope beside stream, revision, position and type, which the server keeps.
#[derive(Serialize, Deserialize)]
struct Metadata {
    /// Version of this form; tells our events from any others.
    envoi: u8,
    event_id: EventId,
    version: u16,
    command_id: CommandId,
    /// With the first event of a command only: a command is many events more often than it is asked for again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organization_id: Option<OrganizationId>,
    actor_kind: u8,
    actor_id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device_id: Option<DeviceId>,
    #[serde(rename = "$correlationId")]
    correlation_id: CorrelationId,
    #[serde(rename = "$causationId", default, skip_serializing_if = "Option::is_none")]
    causation_id: Option<EventId>,
    /// Microseconds since 1970.
    recorded_at: i64,
    /// Canonical bytes in base64url; there exactly when there is a sealed part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_ref: Option<String>,
    /// Where the sealed part begins in the data; there exactly when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_bytes: Option<usize>,
    record_hash: Digest,
}

/// An event read back, with the command's fingerprint if it is its first.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) event: RecordedEvent,
    pub(super) fingerprint: Option<Digest>,
}

/// Something in our streams that nothing of ours wrote.
#[derive(Debug)]
pub(super) struct Foreign {
    pub(super) position: u64,
    pub(super) place: String,
    pub(super) reason: String,
}

/// Bytes that an event takes of the server's limit for one append, about.
pub(super) fn size(event: &NewEvent) -> usize {
    /// Metadata of the largest kind, with room to spare.
    const METADATA_BYTES: usize = 700;
    let sealed = event.sealed.as_ref().map_or(0, Bytes::len);
    METADATA_BYTES + event.event_type.len() + event.payload.len() + sealed
}

/// The `index`th event of an append as the client sends it. `writer` names the handle that writes: the server takes two
/// writes of the same ids for one, so a handle's own retry is written once, while the same command from another handle
/// conflicts and is then found.
pub(super) fn encode(
    append: &StreamAppend,
    index: usize,
    event: &NewEvent,
    revision: Revision,
    writer: Uuid,
) -> Result<EventData, serde_json::Error> {
    let origin = &append.origin;
    let hash = record_hash(append.stream, revision, event, append.command.id, origin);
    let metadata = Metadata {
        envoi: FORM,
        event_id: event.event_id,
        version: event.version,
        command_id: append.command.id,
        fingerprint: (index == 0).then_some(append.command.fingerprint),
        organization_id: origin.organization_id,
        actor_kind: origin.actor.kind.code(),
        actor_id: Uuid::from_bytes(origin.actor.id),
        device_id: origin.device_id,
        correlation_id: origin.correlation_id,
        causation_id: origin.causation_id,
        recorded_at: origin.recorded_at.as_micros(),
        key_ref: event.key_ref.map(|key_ref| BASE64URL.encode(key_ref.to_bytes())),
        payload_bytes: event.sealed.as_ref().map(|_| event.payload.len()),
        record_hash: hash,
    };
    let data = match &event.sealed {
        None => event.payload.clone(),
        Some(sealed) => {
            let mut data = BytesMut::with_capacity(event.payload.len() + sealed.len());
            data.extend_from_slice(&event.payload);
            data.extend_from_slice(sealed);
            data.freeze()
        }
    };
    let id = server_id(append.command.id, &hash, writer);
    Ok(EventData::binary(event.event_type, data).id(id).metadata(serde_json::to_vec(&metadata)?.into()))
}

/// The server's id of an event: a hash of the command's id, the record hash and the writing handle.
fn server_id(command: CommandId, hash: &Digest, writer: Uuid) -> Uuid {
    let mut hasher = blake3::Hasher::new_derive_key("envoi 2026-11-22 eventstoredb event id v1");
    hasher.update(command.as_bytes()).update(hash.as_bytes()).update(writer.as_bytes());
    let mut id = [0; 16];
    hasher.finalize_xof().fill(&mut id);
    uuid::Builder::from_custom_bytes(id).into_uuid()
}

/// Reads an event of one of our streams; `None` for an event of any other.
pub(super) fn decode(
    names: &StreamNames,
    event: eventstore::RecordedEvent,
) -> Option<Result<Stored, Foreign>> {
    let stream = names.parse(&event.stream_id)?;
    let position = event.position.commit;
    let place = format!("position {position}, {stream} revision {}", event.revision);
    let revision = Revision::new(event.revision);
    let stored = read(event, stream, revision);
    Some(stored.map_err(|reason| Foreign { position, place, reason }))
}

fn read(
    event: eventstore::RecordedEvent,
    stream: crate::StreamId,
    revision: Revision,
) -> Result<Stored, String> {
    let metadata: Metadata = serde_json::from_slice(&event.custom_metadata)
        .map_err(|error| format!("its metadata is not ours: {error}"))?;
    if metadata.envoi != FORM {
        return Err(format!("its metadata has the form {}, this release knows {FORM}", metadata.envoi));
    }
    let kind = ActorKind::from_code(metadata.actor_kind).ok_or("its actor is of unknown kind")?;
    let key_ref = match metadata.key_ref {
        None => None,
        Some(text) => {
            let bytes = BASE64URL.decode(text).map_err(|_| "its key reference is not base64url")?;
            Some(KeyRef::from_bytes(&bytes).ok_or("its key reference is of unknown form")?)
        }
    };
    let mut data = event.data;
    let (payload, sealed) = match metadata.payload_bytes {
        None => (data, None),
        Some(length) if length <= data.len() => {
            let sealed = data.split_off(length);
            (data, Some(sealed))
        }
        Some(_) => return Err("its payload is longer than its data".to_owned()),
    };
    if key_ref.is_some() != sealed.is_some() {
        return Err("it has a sealed part without key reference, or the other way round".to_owned());
    }
    let event = RecordedEvent {
        position: Position::new(event.position.commit),
        stream,
        revision,
        event_id: metadata.event_id,
        event_type: event.event_type,
        version: metadata.version,
        command_id: metadata.command_id,
        origin: Origin {
            organization_id: metadata.organization_id,
            actor: Actor { kind, id: metadata.actor_id.into_bytes() },
            device_id: metadata.device_id,
            correlation_id: metadata.correlation_id,
            causation_id: metadata.causation_id,
            recorded_at: Timestamp::from_micros(metadata.recorded_at),
        },
        payload,
        key_ref,
        sealed,
        hash: metadata.record_hash,
    };
    Ok(Stored { event, fingerprint: metadata.fingerprint })
}
