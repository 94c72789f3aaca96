//! How an event is kept and told: encoded once when it is written, copied out when it is read.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes};
use prost::{EncodeError, Message};
use uuid::Uuid;

use crate::log::{Proposed, Record};
use crate::proto::streams::read_resp::read_event::RecordedEvent;
use crate::proto::{self, StreamIdentifier};

/// The content type of JSON; every other one is told as octets.
pub(crate) const JSON: &str = "application/json";

const OCTETS: &str = "application/octet-stream";

/// Makes an event ready for the log.
pub(crate) fn proposed(
    id: Uuid,
    stream: &str,
    event_type: String,
    is_json: bool,
    custom_metadata: Bytes,
    data: Bytes,
) -> Proposed {
    let size = event_size(&event_type, &custom_metadata, &data);
    let content_type = if is_json { JSON } else { OCTETS };
    let metadata = HashMap::from([
        ("type".to_owned(), event_type.clone()),
        ("content-type".to_owned(), content_type.to_owned()),
        ("created".to_owned(), ticks_now().to_string()),
    ]);
    let recorded = RecordedEvent {
        stream_identifier: Some(StreamIdentifier { stream_name: Bytes::copy_from_slice(stream.as_bytes()) }),
        metadata,
        custom_metadata,
        data,
        ..RecordedEvent::default()
    };
    Proposed { id, event_type, body: recorded.encode_to_vec().into(), size }
}

/// What an event takes of the largest append: its type in UTF-16, its metadata and its data.
pub(crate) fn event_size(event_type: &str, custom_metadata: &Bytes, data: &Bytes) -> u64 {
    (event_type.len() * 2 + custom_metadata.len() + data.len()) as u64
}

/// An event on its way out.
pub(crate) struct Told {
    id: Uuid,
    revision: u64,
    position: u64,
    structured_id: bool,
    body: Bytes,
}

impl Told {
    pub(crate) fn new(record: &Record, structured_id: bool) -> Self {
        let Record { id, revision, position, ref body, .. } = *record;
        Self { id, revision, position, structured_id, body: body.clone() }
    }

    /// Writes the `ReadResp` that tells it: the stored body, and behind it the fields that only the log knows.
    /// (Fields of a message may come in any order.)
    pub(crate) fn encode(&self, buffer: &mut impl BufMut) -> Result<(), EncodeError> {
        let tail = RecordedEvent {
            id: Some(wire_id(self.id, self.structured_id)),
            stream_revision: self.revision,
            prepare_position: self.position,
            commit_position: self.position,
            ..RecordedEvent::default()
        };
        let recorded = self.body.len() + tail.encoded_len();
        let commit = 1 + prost::encoding::encoded_len_varint(self.position);
        let read_event = 1 + prost::length_delimiter_len(recorded) + recorded + commit;

        key(buffer, READ_RESP_EVENT, LENGTH_DELIMITED);
        prost::encoding::encode_varint(read_event as u64, buffer);
        key(buffer, READ_EVENT_EVENT, LENGTH_DELIMITED);
        prost::encoding::encode_varint(recorded as u64, buffer);
        buffer.put_slice(&self.body);
        tail.encode(buffer)?;
        key(buffer, READ_EVENT_COMMIT_POSITION, VARINT);
        prost::encoding::encode_varint(self.position, buffer);
        Ok(())
    }

    /// The bytes it takes.
    pub(crate) fn len(&self) -> usize {
        self.body.len()
    }
}

const READ_RESP_EVENT: u32 = 1;
const READ_EVENT_EVENT: u32 = 1;
const READ_EVENT_COMMIT_POSITION: u32 = 3;
const LENGTH_DELIMITED: prost::encoding::WireType = prost::encoding::WireType::LengthDelimited;
const VARINT: prost::encoding::WireType = prost::encoding::WireType::Varint;

fn key(buffer: &mut impl BufMut, field: u32, wire_type: prost::encoding::WireType) {
    prost::encoding::encode_key(field, wire_type, buffer);
}

/// An id in one of its two forms on the wire.
pub(crate) fn wire_id(id: Uuid, structured: bool) -> proto::Uuid {
    use proto::uuid::{Structured, Value};
    let value = if structured {
        let (most, least) = id.as_u64_pair();
        Value::Structured(Structured {
            most_significant_bits: most.cast_signed(),
            least_significant_bits: least.cast_signed(),
        })
    } else {
        Value::String(id.to_string())
    };
    proto::Uuid { value: Some(value) }
}

/// An id from either form; `None` when it is no UUID.
pub(crate) fn parse_id(id: Option<proto::Uuid>) -> Option<Uuid> {
    use proto::uuid::Value;
    match id?.value? {
        Value::Structured(bits) => Some(Uuid::from_u64_pair(
            bits.most_significant_bits.cast_unsigned(),
            bits.least_significant_bits.cast_unsigned(),
        )),
        Value::String(text) => text.parse().ok(),
    }
}

/// 100 ns steps since 1970, which is what clients read `created` as.
#[allow(clippy::disallowed_methods, reason = "a server of its own, with a clock of its own")]
fn ticks_now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::streams::{ReadResp, read_resp};

    #[test]
    fn what_is_told_decodes_to_what_was_proposed() {
        let id = Uuid::from_u64_pair(7, u64::MAX);
        let event =
            proposed(id, "a-stream", "happened".to_owned(), true, Bytes::from("meta"), Bytes::from("data"));
        let record =
            Record { position: 70_000, stream: 0, event_type: 0, revision: 300, id, body: event.body };
        for structured in [false, true] {
            let mut buffer = Vec::new();
            Told::new(&record, structured).encode(&mut buffer).unwrap();
            let Some(read_resp::Content::Event(read)) = ReadResp::decode(buffer.as_slice()).unwrap().content
            else {
                panic!("not an event");
            };
            assert_eq!(read.position, Some(read_resp::read_event::Position::CommitPosition(70_000)));
            let told = read.event.unwrap();
            assert_eq!(told.id, Some(wire_id(id, structured)));
            assert_eq!(parse_id(told.id), Some(id));
            assert_eq!(
                (told.stream_revision, told.commit_position, told.prepare_position),
                (300, 70_000, 70_000)
            );
            assert_eq!(told.stream_identifier.unwrap().stream_name, Bytes::from("a-stream"));
            assert_eq!(told.metadata.get("type").map(String::as_str), Some("happened"));
            assert_eq!(told.metadata.get("content-type").map(String::as_str), Some(JSON));
            assert_eq!((told.custom_metadata, told.data), (Bytes::from("meta"), Bytes::from("data")));
        }
    }
}
