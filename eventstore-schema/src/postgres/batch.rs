//! Many appends as one call of `log.append`, and its answer taken apart again.

use domain::{CommandId, Digest};
use tokio_postgres::{Client, Row, Statement};

use super::encoding::{Events, Groups};
use super::queue::{Queue, Waiting};
use super::rows::category_from_code;
use crate::envelope::{Position, Revision, StreamId};
use crate::log::{AppendError, Appended, Expected, StreamAppend};

/// Most events in one batch: beyond some hundreds a batch gains nothing and later callers only wait longer.
const BATCH_EVENTS_MAX: usize = 1_024;
/// Most bytes in one batch, so that a call stays far below the largest message that PostgreSQL takes (1 GiB).
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

const _: () = assert!(BATCH_BYTES_MAX >= StreamAppend::BYTES_MAX);

/// The call.
pub(super) const APPEND: &str = "SELECT o_n, o_position, o_recorded, o_revision, o_fingerprint, o_category, o_stream, \
    o_count FROM log.append($1, $2, $3, $4)";

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

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({} appends, {} events)", self.waiting.len(), self.events)
    }
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
        let known = i64::try_from(place.known).unwrap_or(i64::MAX);
        client.query(statement, &[&known, &place.ceiling, &Groups(self), &Events(self)]).await
    }
}

/// Index of the first command that is there before.
fn first_repeated(commands: &[CommandId]) -> Option<usize> {
    let mut seen = std::collections::HashSet::with_capacity(commands.len());
    commands.iter().position(|command| !seen.insert(*command))
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
