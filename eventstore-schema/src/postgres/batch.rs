//! Many appends as the arrays of one call of `log.append`, and its answer taken apart again.

use std::collections::HashMap;

use bytes::BytesMut;
use domain::{CommandId, Digest, Timestamp};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Row, Statement};
use uuid::Uuid;

use super::queue::{Queue, Waiting};
use super::rows::{category_code, category_from_code};
use crate::envelope::{Position, Revision, StreamId};
use crate::log::{AppendError, Appended, Expected, StreamAppend};

/// Most events in one batch: beyond some hundreds a batch gains nothing and later callers only wait longer.
const BATCH_EVENTS_MAX: usize = 1_024;
/// Most bytes in one batch, so that a call stays far below the largest message that PostgreSQL takes (1 GiB).
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Microseconds from 1970 to 2000, where PostgreSQL's timestamps begin.
pub(super) const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

const _: () = assert!(BATCH_BYTES_MAX >= StreamAppend::BYTES_MAX);

/// The call. Its parameters are those of `log.append` in order.
pub(super) const APPEND: &str = "SELECT o_n, o_position, o_recorded, o_revision, o_fingerprint, o_category, o_stream, \
    o_count FROM log.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, \
    $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31)";

/// Appends that are written together. No two have the same command.
pub(super) struct Batch {
    pub(super) waiting: Vec<Waiting>,
    pub(super) events: usize,
}

/// What the database needs to know beside the appends.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// A position that is in the log.
    pub(super) known: u64,
    /// The first position without a partition, as far as known.
    pub(super) ceiling: i64,
}

impl Batch {
    /// The next batch from the front of the queue; `None` when nothing waits.
    pub(super) fn take(queue: &Queue) -> Option<Self> {
        let (mut events, mut bytes, mut alone) = (0, 0, false);
        let mut commands: Vec<CommandId> = Vec::new();
        let mut waiting = queue.take_while(|one| {
            let first = events == 0;
            let fits = events + one.events() <= BATCH_EVENTS_MAX && bytes + one.bytes <= BATCH_BYTES_MAX;
            let taken = first || (fits && !alone && !one.alone);
            if taken {
                events += one.events();
                bytes += one.bytes;
                alone = one.alone;
                commands.push(one.append.command.id);
            }
            taken
        });
        if waiting.is_empty() {
            return None;
        }
        // The same command twice: the later one, and what is behind it, waits until the earlier one is on record.
        if let Some(repeated) = first_repeated(&commands) {
            let later = waiting.split_off(repeated);
            queue.put_back(later);
        }
        let events = waiting.iter().map(Waiting::events).sum();
        Some(Self { waiting, events })
    }

    /// Sends the batch and waits for the answer.
    pub(super) async fn send(
        &self,
        client: &Client,
        statement: &Statement,
        place: Place,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let groups = Groups::of(self);
        let events = Events::of(self);
        let known = i64::try_from(place.known).unwrap_or(i64::MAX);
        let parameters: [&(dyn ToSql + Sync); 31] = [
            &known,
            &place.ceiling,
            &groups.category,
            &groups.stream,
            &groups.first,
            &groups.prior,
            &groups.previous,
            &groups.last,
            &groups.count,
            &groups.end,
            &groups.command,
            &groups.fingerprint,
            &events.group,
            &events.category,
            &events.stream,
            &events.revision,
            &events.recorded_at,
            &events.id,
            &events.command,
            &events.correlation,
            &events.causation,
            &events.organization,
            &events.actor,
            &events.device,
            &events.actor_kind,
            &events.version,
            &events.event_type,
            &events.hash,
            &events.key_ref,
            &events.payload,
            &events.sealed,
        ];
        client.query(statement, &parameters).await
    }
}

/// Index of the first command that is there before.
fn first_repeated(commands: &[CommandId]) -> Option<usize> {
    let mut seen = std::collections::HashSet::with_capacity(commands.len());
    commands.iter().position(|command| !seen.insert(*command))
}

#[derive(Default)]
struct Groups<'a> {
    category: Vec<i16>,
    stream: Vec<Uuid>,
    first: Vec<i64>,
    prior: Vec<i64>,
    previous: Vec<i32>,
    last: Vec<bool>,
    count: Vec<i32>,
    end: Vec<i64>,
    command: Vec<Uuid>,
    fingerprint: Vec<&'a [u8]>,
}

impl<'a> Groups<'a> {
    fn of(batch: &'a Batch) -> Self {
        let mut groups = Self::default();
        // Per stream: its last group so far and how many events it has in the batch.
        let mut streams: HashMap<StreamId, (usize, i64)> = HashMap::with_capacity(batch.waiting.len());
        let mut end = 0;
        for (index, one) in batch.waiting.iter().enumerate() {
            let (stream, count) = (one.append.stream, one.events());
            let (previous, prior) = streams.get(&stream).copied().unwrap_or((usize::MAX, 0));
            if let Some(last) = groups.last.get_mut(previous) {
                *last = false;
            }
            streams.insert(stream, (index, prior + signed(count)));
            end += signed(count);
            groups.category.push(category_code(stream.category));
            groups.stream.push(stream.id);
            groups.first.push(one.first.get().cast_signed());
            groups.prior.push(prior);
            groups.previous.push(number(previous.wrapping_add(1)));
            groups.last.push(true);
            groups.count.push(number(count));
            groups.end.push(end);
            groups.command.push(one.append.command.id.as_uuid());
            groups.fingerprint.push(one.append.command.fingerprint.as_bytes());
        }
        groups
    }
}

#[derive(Default)]
struct Events<'a> {
    group: Vec<i32>,
    category: Vec<i16>,
    stream: Vec<Uuid>,
    revision: Vec<i64>,
    recorded_at: Vec<Micros>,
    id: Vec<Uuid>,
    command: Vec<Uuid>,
    correlation: Vec<Uuid>,
    causation: Vec<Option<Uuid>>,
    organization: Vec<Option<Uuid>>,
    actor: Vec<Uuid>,
    device: Vec<Option<Uuid>>,
    actor_kind: Vec<i16>,
    version: Vec<i16>,
    event_type: Vec<&'static str>,
    hash: Vec<&'a [u8]>,
    key_ref: Vec<Option<Vec<u8>>>,
    payload: Vec<&'a [u8]>,
    sealed: Vec<Option<&'a [u8]>>,
}

impl<'a> Events<'a> {
    fn of(batch: &'a Batch) -> Self {
        let mut events = Self::default();
        for (index, one) in batch.waiting.iter().enumerate() {
            let origin = &one.append.origin;
            let numbered = one.append.events.iter().zip(&one.hashes).zip(one.first.get()..);
            for ((event, hash), revision) in numbered {
                events.group.push(number(index + 1));
                events.category.push(category_code(one.append.stream.category));
                events.stream.push(one.append.stream.id);
                events.revision.push(revision.cast_signed());
                events.recorded_at.push(Micros(origin.recorded_at));
                events.id.push(event.event_id.as_uuid());
                events.command.push(one.append.command.id.as_uuid());
                events.correlation.push(origin.correlation_id.as_uuid());
                events.causation.push(origin.causation_id.map(|id| id.as_uuid()));
                events.organization.push(origin.organization_id.map(|id| id.as_uuid()));
                events.actor.push(Uuid::from_bytes(origin.actor.id));
                events.device.push(origin.device_id.map(|id| id.as_uuid()));
                events.actor_kind.push(i16::from(origin.actor.kind.code()));
                events.version.push(event.version.cast_signed());
                events.event_type.push(event.event_type);
                events.hash.push(hash.as_bytes());
                events.key_ref.push(event.key_ref.map(|key_ref| key_ref.to_bytes()));
                events.payload.push(&event.payload);
                events.sealed.push(event.sealed.as_deref());
            }
        }
        events
    }
}

/// Batches are bounded far below either.
fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// A moment as PostgreSQL's `timestamptz`.
#[derive(Debug)]
struct Micros(Timestamp);

impl ToSql for Micros {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let micros = self.0.as_micros().saturating_sub(POSTGRES_EPOCH_MICROS);
        out.extend_from_slice(&micros.to_be_bytes());
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

/// A group that was not written.
struct Unwritten {
    index: usize,
    found: Found,
}

enum Found {
    /// The command is on record.
    Recorded { appended: Appended, fingerprint: Digest },
    /// The stream is elsewhere.
    At(Option<Revision>),
}

/// What the database said of a batch.
pub(super) struct Outcome {
    base: u64,
    unwritten: Vec<Unwritten>,
}

impl Outcome {
    /// Reads the answer; the error says what in it is not of the agreed form.
    pub(super) fn of(rows: &[Row]) -> Result<Self, String> {
        let mut base = None;
        let mut unwritten = Vec::new();
        for row in rows {
            let n: i32 = row.try_get(0).map_err(|error| error.to_string())?;
            match usize::try_from(n).ok().and_then(|n| n.checked_sub(1)) {
                Some(index) => unwritten.push(Unwritten { index, found: found(row)? }),
                None => {
                    base = Some(row.try_get::<_, i64>(1).map_err(|error| error.to_string())?.cast_unsigned());
                }
            }
        }
        unwritten.sort_by_key(|one| one.index);
        Ok(Self { base: base.ok_or("log.append answered without a position")?, unwritten })
    }

    /// Pairs each append with its result, in order; also the position of the last event and how many were written.
    pub(super) fn settle(
        self,
        batch: Batch,
        mut each: impl FnMut(Waiting, Result<Appended, AppendError>),
    ) -> (u64, usize) {
        let mut unwritten = self.unwritten.into_iter().peekable();
        let mut position = self.base;
        for (index, one) in batch.waiting.into_iter().enumerate() {
            let result = match unwritten.next_if(|found| found.index == index) {
                Some(refused) => refused.found.result(&one),
                None => {
                    position += one.events() as u64;
                    Ok(Appended {
                        stream: one.append.stream,
                        first_revision: one.first,
                        last_revision: one.first.plus(one.events() as u64 - 1),
                        position: Position::new(position),
                        replayed: false,
                    })
                }
            };
            each(one, result);
        }
        (position, usize::try_from(position - self.base).unwrap_or(usize::MAX))
    }
}

impl Found {
    fn result(self, one: &Waiting) -> Result<Appended, AppendError> {
        let (stream, command) = (one.append.stream, one.append.command);
        match self {
            Found::Recorded { appended, fingerprint } if fingerprint == command.fingerprint => Ok(appended),
            Found::Recorded { .. } => Err(AppendError::CommandReused { command_id: command.id }),
            Found::At(actual) => {
                let expected: Expected = one.expected;
                Err(AppendError::Conflict { stream, expected, actual })
            }
        }
    }
}

fn found(row: &Row) -> Result<Found, String> {
    let text = |error: tokio_postgres::Error| error.to_string();
    let revision: i64 = row.try_get(3).map_err(text)?;
    if !row.try_get::<_, bool>(2).map_err(text)? {
        return Ok(Found::At(u64::try_from(revision).ok().map(Revision::new)));
    }
    let (appended, fingerprint) = recorded_command(row, 1, 3, 4, 5, 6, 7)?;
    Ok(Found::Recorded { appended, fingerprint })
}

/// What a recorded command did, from the columns of its row and of its last event's.
pub(super) fn recorded_command(
    row: &Row,
    position: usize,
    revision: usize,
    fingerprint: usize,
    category: usize,
    stream: usize,
    count: usize,
) -> Result<(Appended, Digest), String> {
    let text = |error: tokio_postgres::Error| error.to_string();
    let category = category_from_code(row.try_get(category).map_err(text)?).ok_or("an unknown category")?;
    let last = row.try_get::<_, i64>(revision).map_err(text)?.cast_unsigned();
    let count = u64::from(row.try_get::<_, i32>(count).map_err(text)?.cast_unsigned());
    let first = (last + 1).checked_sub(count).ok_or("a command of more events than its stream has")?;
    let appended = Appended {
        stream: StreamId { category, id: row.try_get(stream).map_err(text)? },
        first_revision: Revision::new(first),
        last_revision: Revision::new(last),
        position: Position::new(row.try_get::<_, i64>(position).map_err(text)?.cast_unsigned()),
        replayed: true,
    };
    let fingerprint = Digest::try_from(row.try_get::<_, &[u8]>(fingerprint).map_err(text)?)
        .map_err(|_| "a fingerprint that is not 32 bytes long")?;
    Ok((appended, fingerprint))
}
