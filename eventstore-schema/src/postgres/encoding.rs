//! A batch as PostgreSQL reads it: arrays of the composite types `log.new_group`, `log.new_event` and `log.condition`,
//! in binary.
//!
//! Arrays of rows cost the server far less than one array for each column, and are written here straight into the
//! message. Format: `array_recv` and `record_recv` of PostgreSQL's sources.

use std::collections::{HashMap, HashSet};
use std::error::Error;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use super::batch::Batch;
use super::rows::{POSTGRES_EPOCH_MICROS, category_code};
use crate::envelope::StreamId;
use crate::log::Condition;

type Encoded = Result<IsNull, Box<dyn Error + Sync + Send>>;

/// The batch's groups.
#[derive(Debug)]
pub(super) struct Groups<'a>(pub(super) &'a Batch);

/// The batch's events.
#[derive(Debug)]
pub(super) struct Events<'a>(pub(super) &'a Batch);

/// Where the streams that its appends were decided by have to end.
#[derive(Debug)]
pub(super) struct Conditions<'a>(pub(super) &'a Batch);

impl ToSql for Groups<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Encoded {
        let waiting = &self.0.waiting;
        array_header(kind, waiting.len(), out)?;
        // Per stream: its last group so far and how many events it has in the batch.
        let mut streams: HashMap<StreamId, (usize, usize)> = HashMap::with_capacity(waiting.len());
        let last: HashMap<StreamId, usize> =
            waiting.iter().enumerate().map(|(index, one)| (one.append.stream, index)).collect();
        let mut ending = 0;
        for (index, one) in waiting.iter().enumerate() {
            let (stream, count) = (one.append.stream, one.events());
            let (previous, prior) = streams.insert(stream, (index + 1, 0)).unwrap_or_default();
            streams.insert(stream, (index + 1, prior + count));
            ending += count;
            let mut row = RowWriter::start(out, 10);
            row.int2(category_code(stream.category));
            row.uuid(stream.id);
            row.int8(one.first.get().cast_signed());
            row.int8(i64::try_from(prior)?);
            row.int4(i32::try_from(previous)?);
            row.bool(last.get(&stream) == Some(&index));
            row.int4(i32::try_from(count)?);
            row.int8(i64::try_from(ending)?);
            row.uuid(one.append.command.id.as_uuid());
            row.bytes(&Type::BYTEA, one.append.command.fingerprint.as_bytes())?;
            row.finish()?;
        }
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        member(kind).is_some_and(|member| member.name() == "new_group")
    }

    to_sql_checked!();
}

impl ToSql for Events<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Encoded {
        array_header(kind, self.0.events, out)?;
        for (one, group) in self.0.waiting.iter().zip(1..) {
            let (origin, stream) = (&one.append.origin, one.append.stream);
            let numbered = one.append.events.iter().zip(&one.hashes).zip(one.first.get()..);
            for ((event, hash), revision) in numbered {
                let mut row = RowWriter::start(out, 19);
                row.int4(group);
                row.int8(revision.cast_signed());
                row.timestamp(origin.recorded_at.as_micros());
                row.uuid(stream.id);
                row.uuid(event.event_id.as_uuid());
                row.uuid(one.append.command.id.as_uuid());
                row.uuid(origin.correlation_id.as_uuid());
                row.uuid_if_any(origin.causation_id.map(|id| id.as_uuid()));
                row.uuid_if_any(origin.organization_id.map(|id| id.as_uuid()));
                row.uuid(Uuid::from_bytes(origin.actor.id));
                row.uuid_if_any(origin.device_id.map(|id| id.as_uuid()));
                row.int2(category_code(stream.category));
                row.int2(i16::from(origin.actor.kind.code()));
                row.int2(event.version.cast_signed());
                row.bytes(&Type::TEXT, event.event_type.as_bytes())?;
                row.bytes(&Type::BYTEA, hash.as_bytes())?;
                match event.key_ref {
                    Some(key_ref) => row.bytes(&Type::BYTEA, &key_ref.to_bytes())?,
                    None => row.null(&Type::BYTEA),
                }
                row.bytes(&Type::BYTEA, &event.payload)?;
                match &event.sealed {
                    Some(sealed) => row.bytes(&Type::BYTEA, sealed)?,
                    None => row.null(&Type::BYTEA),
                }
                row.finish()?;
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        member(kind).is_some_and(|member| member.name() == "new_event")
    }

    to_sql_checked!();
}

impl ToSql for Conditions<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Encoded {
        // Many commands of a batch rest on the same stream: it is looked at once.
        let all = self.0.waiting.iter().flat_map(|one| &one.append.conditions);
        let conditions: HashSet<&Condition> = all.collect();
        array_header(kind, conditions.len(), out)?;
        for condition in conditions {
            let mut row = RowWriter::start(out, 3);
            row.int2(category_code(condition.stream.category));
            row.uuid(condition.stream.id);
            row.int8(condition.last.map_or(-1, |revision| revision.get().cast_signed()));
            row.finish()?;
        }
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        member(kind).is_some_and(|member| member.name() == "condition")
    }

    to_sql_checked!();
}

/// The type of an array's members.
fn member(kind: &Type) -> Option<&Type> {
    match kind.kind() {
        Kind::Array(member) => Some(member),
        _ => None,
    }
}

/// One dimension, no nulls, counted from 1.
fn array_header(kind: &Type, length: usize, out: &mut BytesMut) -> Result<(), Box<dyn Error + Sync + Send>> {
    let member = member(kind).ok_or("an array was expected")?;
    out.put_i32(1);
    out.put_i32(0);
    out.put_u32(member.oid());
    out.put_i32(i32::try_from(length)?);
    out.put_i32(1);
    Ok(())
}

/// Writes one composite value as a member of an array: its length, how many fields, then each with type and length.
struct RowWriter<'a> {
    out: &'a mut BytesMut,
    start: usize,
}

impl<'a> RowWriter<'a> {
    fn start(out: &'a mut BytesMut, fields: i32) -> Self {
        let start = out.len();
        out.put_i32(0);
        out.put_i32(fields);
        Self { out, start }
    }

    fn header(&mut self, kind: &Type, length: i32) {
        self.out.put_u32(kind.oid());
        self.out.put_i32(length);
    }

    fn int2(&mut self, value: i16) {
        self.header(&Type::INT2, 2);
        self.out.put_i16(value);
    }

    fn int4(&mut self, value: i32) {
        self.header(&Type::INT4, 4);
        self.out.put_i32(value);
    }

    fn int8(&mut self, value: i64) {
        self.header(&Type::INT8, 8);
        self.out.put_i64(value);
    }

    fn bool(&mut self, value: bool) {
        self.header(&Type::BOOL, 1);
        self.out.put_u8(u8::from(value));
    }

    /// A moment out of PostgreSQL's range is for PostgreSQL to refuse; its lowest number would mean "before all time".
    fn timestamp(&mut self, micros: i64) {
        self.header(&Type::TIMESTAMPTZ, 8);
        self.out.put_i64(micros.saturating_sub(POSTGRES_EPOCH_MICROS).max(i64::MIN + 1));
    }

    fn uuid(&mut self, value: Uuid) {
        self.header(&Type::UUID, 16);
        self.out.put_slice(value.as_bytes());
    }

    fn uuid_if_any(&mut self, value: Option<Uuid>) {
        match value {
            Some(value) => self.uuid(value),
            None => self.null(&Type::UUID),
        }
    }

    fn null(&mut self, kind: &Type) {
        self.header(kind, -1);
    }

    fn bytes(&mut self, kind: &Type, value: &[u8]) -> Result<(), Box<dyn Error + Sync + Send>> {
        self.header(kind, i32::try_from(value.len())?);
        self.out.put_slice(value);
        Ok(())
    }

    /// Fills in the length.
    fn finish(self) -> Result<(), Box<dyn Error + Sync + Send>> {
        let length = i32::try_from(self.out.len() - self.start - 4)?;
        let place = self.out.get_mut(self.start..self.start + 4).ok_or("the row has a length")?;
        place.copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}
