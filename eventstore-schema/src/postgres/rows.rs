//! Rows of `log.events` as recorded events.

use bytes::Bytes;
use domain::{Actor, ActorKind, Category, Digest, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use crate::envelope::{Origin, Position, RecordedEvent, Revision, StreamId};
use crate::log::LogError;
use crate::sealed::KeyRef;

/// Columns of an event in the order in which [`event`] reads them.
pub(super) const COLUMNS: &str = "e.position, e.revision, e.recorded_at, e.stream_id, e.event_id, e.command_id, \
    e.correlation_id, e.causation_id, e.organization_id, e.actor_id, e.device_id, e.category, e.actor_kind, e.version, \
    e.event_type, e.hash, e.key_ref, e.payload, e.sealed";

/// Numbers of the categories in the database. A number once used is never given to another category.
pub(crate) const fn category_code(category: Category) -> i16 {
    match category {
        Category::Account => 1,
        Category::Conversation => 2,
        Category::Device => 3,
        Category::Operations => 4,
        Category::Organization => 5,
        Category::Session => 6,
        Category::Workspace => 7,
        Category::ConversationMember => 8,
    }
}

/// The category with this number.
pub(super) fn category_from_code(code: i16) -> Option<Category> {
    Category::ALL.iter().copied().find(|category| category_code(*category) == code)
}

/// Reads an event.
pub(super) fn event(row: &Row) -> Result<RecordedEvent, LogError> {
    read(row).map_err(|reason| LogError::Corrupt {
        place: row.try_get::<_, i64>(0).map_or_else(|_| "an event".to_owned(), |at| format!("position {at}")),
        reason,
    })
}

/// Position, revision and stream of a row, whatever the rest of it is.
pub(super) fn place(row: &Row) -> (Option<Position>, Option<Revision>, Option<StreamId>) {
    let number = |column| row.try_get::<_, i64>(column).ok().and_then(|number| u64::try_from(number).ok());
    let category = row.try_get::<_, i16>(11).ok().and_then(category_from_code);
    let stream = category.zip(row.try_get::<_, Uuid>(3).ok());
    (
        number(0).map(Position::new),
        number(1).map(Revision::new),
        stream.map(|(category, id)| StreamId { category, id }),
    )
}

struct Columns<'a> {
    row: &'a Row,
    next: usize,
}

impl<'a> Columns<'a> {
    fn next<T: FromSql<'a>>(&mut self) -> Result<T, String> {
        let column = self.next;
        self.next += 1;
        self.row.try_get(column).map_err(|error| describe(&error))
    }

    fn next_id<T: From<Uuid>>(&mut self) -> Result<T, String> {
        self.next::<Uuid>().map(T::from)
    }

    fn next_id_if_any<T: From<Uuid>>(&mut self) -> Result<Option<T>, String> {
        Ok(self.next::<Option<Uuid>>()?.map(T::from))
    }
}

/// Reads an event, or says why the row is none.
pub(super) fn read(row: &Row) -> Result<RecordedEvent, String> {
    let mut columns = Columns { row, next: 0 };
    let position = Position::new(columns.next::<i64>()?.cast_unsigned());
    let revision = Revision::new(columns.next::<i64>()?.cast_unsigned());
    let recorded_at = columns.next::<Micros>()?.0;
    let stream_id: Uuid = columns.next()?;
    let event_id = columns.next_id()?;
    let command_id = columns.next_id()?;
    let correlation_id = columns.next_id()?;
    let causation_id = columns.next_id_if_any()?;
    let organization_id = columns.next_id_if_any()?;
    let actor_id: Uuid = columns.next()?;
    let device_id = columns.next_id_if_any()?;
    let category: i16 = columns.next()?;
    let category = category_from_code(category).ok_or_else(|| format!("category {category} is unknown"))?;
    let kind: i16 = columns.next()?;
    let kind = u8::try_from(kind).ok().and_then(ActorKind::from_code);
    let actor = Actor { kind: kind.ok_or("an actor of unknown kind")?, id: actor_id.into_bytes() };
    let version = columns.next::<i16>()?.cast_unsigned();
    let event_type: String = columns.next()?;
    let hash = Digest::try_from(columns.next::<&[u8]>()?).map_err(|_| "a hash that is not 32 bytes long")?;
    let key_ref = match columns.next::<Option<&[u8]>>()? {
        Some(bytes) => Some(KeyRef::from_bytes(bytes).ok_or("a key reference of unknown form")?),
        None => None,
    };
    Ok(RecordedEvent {
        position,
        stream: StreamId { category, id: stream_id },
        revision,
        event_id,
        event_type,
        version,
        command_id,
        origin: Origin { organization_id, actor, device_id, correlation_id, causation_id, recorded_at },
        payload: Bytes::copy_from_slice(columns.next()?),
        key_ref,
        sealed: columns.next::<Option<&[u8]>>()?.map(Bytes::copy_from_slice),
        hash,
    })
}

/// Microseconds from 1970 to 2000, where PostgreSQL's timestamps begin.
pub(super) const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

struct Micros(Timestamp);

impl<'a> FromSql<'a> for Micros {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(Timestamp::from_micros(micros.saturating_add(POSTGRES_EPOCH_MICROS))))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }
}

/// What went wrong, with the server's own words where it has any.
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(server), _) => format!("{}: {}", server.code().code(), server.message()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_reads_back_from_its_number() {
        for category in Category::ALL {
            assert_eq!(category_from_code(category_code(*category)), Some(*category));
        }
    }
}
