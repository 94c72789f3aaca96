//! Many appends as one call of `log.append`, and its answer taken apart again.

use std::collections::{HashMap, HashSet, VecDeque};

use domain::{CommandId, Digest};
use tokio_postgres::{Client, Row, Statement};

use super::encoding::{Conditions, Events, Groups};
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
    o_count FROM log.append($1, $2, $3, $4, $5)";

/// Appends that are written together. No two have the same command, and those to one stream are of one call: what they
/// build on is judged within the batch.
pub(super) struct Batch {
    pub(super) waiting: Vec<Waiting>,
    pub(super) events: usize,
    /// The call that goes on behind the batch, which therefore waits for its answer.
    pub(super) continued: Option<u64>,
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
    /// The next batch from the front of the queue; `None` when nothing waits, or what comes first goes on a call that is
    /// `under_way`: it is sent once what it builds on is answered.
    pub(super) fn take(queue: &Queue, under_way: &[u64]) -> Option<Self> {
        let (waiting, continued) = queue.take(|waiting| fitting(waiting, under_way));
        if waiting.is_empty() {
            return None;
        }
        let events = waiting.iter().map(Waiting::events).sum();
        Some(Self { waiting, events, continued })
    }

    /// Sends the batch and waits for the answer.
    pub(super) async fn send(
        &self,
        client: &Client,
        statement: &Statement,
        place: Place,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let known = i64::try_from(place.known).unwrap_or(i64::MAX);
        let (groups, events, conditions) = (Groups(self), Events(self), Conditions(self));
        client.query(statement, &[&known, &place.ceiling, &groups, &events, &conditions]).await
    }
}

/// What a batch holds so far.
#[derive(Default)]
struct Load {
    appends: usize,
    events: usize,
    bytes: usize,
    is_alone: bool,
    is_sifted: bool,
    commands: HashSet<CommandId>,
    calls: HashMap<StreamId, u64>,
}

impl Load {
    /// Takes one more if it fits. The same command twice does not: the later one waits until the earlier one is on record. Nor
    /// does what rests on a stream that the batch writes to: conditions are judged before it. Nor newcomers with what was
    /// put back because of others' conditions: theirs could fail, too, and so on.
    fn take(&mut self, one: &Waiting) -> bool {
        let fits =
            self.events + one.events() <= BATCH_EVENTS_MAX && self.bytes + one.bytes <= BATCH_BYTES_MAX;
        let fits = fits && !self.is_alone && !one.alone && one.is_sifted == self.is_sifted;
        let fits = self.appends == 0 || fits;
        let (call, stream) = one.chain();
        let is_taken = fits
            && !one.append.conditions.iter().any(|condition| self.calls.contains_key(&condition.stream))
            && self.calls.get(&stream).is_none_or(|other| *other == call)
            && self.commands.insert(one.append.command.id);
        if is_taken {
            self.calls.insert(stream, call);
            self.appends += 1;
            self.events += one.events();
            self.bytes += one.bytes;
            self.is_alone = one.alone;
            self.is_sifted = one.is_sifted;
        }
        is_taken
    }
}

/// How many from the front go into one batch, whole calls if possible; and the call of which a part is left behind.
fn fitting(waiting: &VecDeque<Waiting>, under_way: &[u64]) -> (usize, Option<u64>) {
    let mut load = Load::default();
    let mut whole = 0;
    for (index, one) in waiting.iter().enumerate() {
        let is_next_call = index
            .checked_sub(1)
            .and_then(|before| waiting.get(before))
            .is_none_or(|before| before.call.id != one.call.id);
        if is_next_call {
            whole = load.appends;
        }
        if (is_next_call && under_way.contains(&one.call.id)) || !load.take(one) {
            // A call that alone fills a batch is split. What is behind it may be its rest from an earlier split.
            let count = if whole == 0 { load.appends } else { whole };
            let left = waiting.get(count).map(|next| next.call.id);
            let is_begun = |call: &u64| waiting.iter().take(count).any(|one| one.call.id == *call);
            return (count, left.filter(is_begun));
        }
    }
    (load.appends, None)
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
    /// It builds on one that was not written where it was meant to be.
    Unfounded,
}

/// What the database said of a batch.
pub(super) enum Answer {
    /// Each append was judged.
    Judged(Outcome),
    /// Nothing was written: these streams end elsewhere, here, than some of the appends that were decided by them say.
    Outdated(HashMap<StreamId, Option<Revision>>),
}

/// What became of each append of a batch.
pub(super) struct Outcome {
    base: u64,
    unwritten: Vec<Unwritten>,
}

impl Answer {
    /// Reads the answer; the error says what in it is not of the agreed form.
    pub(super) fn of(rows: &[Row]) -> Result<Self, String> {
        let text = |error: tokio_postgres::Error| error.to_string();
        let mut base = None;
        let mut unwritten = Vec::new();
        let mut outdated = HashMap::new();
        for row in rows {
            match row.try_get::<_, i32>(0).map_err(text)? {
                0 => base = Some(row.try_get::<_, i64>(1).map_err(text)?.cast_unsigned()),
                n => match usize::try_from(n) {
                    Ok(n) => unwritten.push(Unwritten { index: n.saturating_sub(1), found: found(row)? }),
                    Err(_) => {
                        let category = category_from_code(row.try_get(5).map_err(text)?);
                        let category = category.ok_or("an unknown category")?;
                        let last: Option<i64> = row.try_get(3).map_err(text)?;
                        let stream = StreamId { category, id: row.try_get(6).map_err(text)? };
                        outdated.insert(stream, last.map(|last| Revision::new(last.cast_unsigned())));
                    }
                },
            }
        }
        unwritten.sort_by_key(|one| one.index);
        match base {
            Some(base) => Ok(Self::Judged(Outcome { base, unwritten })),
            None if !outdated.is_empty() => Ok(Self::Outdated(outdated)),
            None => Err("log.append answered without a position".to_owned()),
        }
    }
}

impl Outcome {
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
            Found::Unfounded => Err(AppendError::Unfounded { stream }),
        }
    }
}

fn found(row: &Row) -> Result<Found, String> {
    let text = |error: tokio_postgres::Error| error.to_string();
    match row.try_get::<_, Option<bool>>(2).map_err(text)? {
        None => return Ok(Found::Unfounded),
        Some(false) => {
            let revision: i64 = row.try_get(3).map_err(text)?;
            return Ok(Found::At(u64::try_from(revision).ok().map(Revision::new)));
        }
        Some(true) => {}
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
