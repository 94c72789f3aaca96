//! Reads the log as somebody who believes nothing: row by row, and against the tables beside it.
//!
//! A statement sees events, commands and streams of one moment, so servers may go on writing meanwhile.

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql};
use uuid::Uuid;

use super::Shared;
use super::reader::{page_of, query, signed};
use super::rows::{self, category_from_code, describe};
use crate::envelope::{Position, Revision, StreamId};
use crate::log::LogError;
use crate::verify::{Entry, Examined, Finding, Kind};

/// Rows of the tables beside the log that are compared together.
const BOOK_ROWS: i64 = 2_000;

const ATTEMPT: &str = "examining the log";

/// What of the events of a page contradicts the rows of their commands and streams.
const CONTRADICTIONS: &str = "SELECT e.position, e.revision, e.stream_id, e.category, e.command_id,
        c.position, c.count, s.revision, s.position_min, s.position_max
    FROM log.events e
    LEFT JOIN log.commands c ON c.id = e.command_id
    LEFT JOIN log.streams s ON s.id = e.stream_id AND s.category = e.category
    WHERE e.position >= $1 AND e.position <= $2 AND (
        c.id IS NULL OR e.position > c.position OR e.position <= c.position - c.count
        OR s.id IS NULL OR e.revision > s.revision OR e.position < s.position_min OR e.position > s.position_max)
    ORDER BY e.position";

/// Commands by id with how many of their events stand where they say.
const COMMANDS: &str = "SELECT c.id, c.position, c.count, CASE WHEN c.position <= $3 THEN c.count ELSE (
        SELECT count(*) FROM log.events e
        WHERE e.position > c.position - c.count AND e.position <= c.position AND e.command_id = c.id)::integer END
    FROM log.commands c WHERE c.id > $1 ORDER BY c.id LIMIT $2";

/// Streams by id with whether their first and last event are there.
const STREAMS: &str = "SELECT s.id, s.category, s.revision, s.position_max <= $4 OR EXISTS (
        SELECT FROM log.events e WHERE e.stream_id = s.id AND e.category = s.category AND e.revision = 0
        AND e.position >= s.position_min AND e.position <= s.position_max), s.position_max <= $4 OR EXISTS (
        SELECT FROM log.events e WHERE e.stream_id = s.id AND e.category = s.category AND e.revision = s.revision
        AND e.position >= s.position_min AND e.position <= s.position_max)
    FROM log.streams s WHERE (s.id, s.category) > ($1, $2)
    ORDER BY s.id, s.category LIMIT $3";

fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, LogError> {
    row.try_get(column).map_err(|error| LogError::Unavailable { attempt: ATTEMPT, reason: describe(&error) })
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn stream_of(id: Uuid, category: i16) -> Option<StreamId> {
    category_from_code(category).map(|category| StreamId { category, id })
}

/// The rows behind a position.
pub(super) async fn page(
    shared: &Shared,
    after: Option<Position>,
    until: Position,
    limit: usize,
) -> Result<Examined, LogError> {
    // Positions begin at 1: what stands before is looked at, too.
    let from = after.map_or(0, |after| signed(after.get()).saturating_add(1));
    let sql = page_of("position", "e.position >= $1 AND e.position <= $2 ORDER BY e.position LIMIT $3");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = query(shared, ATTEMPT, &sql, &[&from, &signed(until.get()), &limit]).await?;
    let mut examined = Examined::default();
    let mut expected = after.map_or(1, |after| after.get().saturating_add(1));
    for row in &rows {
        let (position, revision, stream) = rows::place(row);
        let position = position.unwrap_or(Position::new(0));
        examined.findings.extend(misplaced(expected, position));
        expected = position.get().saturating_add(1);
        examined.entries.push(Entry { position, stream, revision, event: rows::read(row) });
    }
    if let Some(last) = examined.entries.last() {
        let to = signed(last.position.get());
        for row in query(shared, ATTEMPT, CONTRADICTIONS, &[&from, &to]).await? {
            contradictions(&row, &mut examined.findings)?;
        }
    }
    Ok(examined)
}

/// Positions are contiguous from 1.
fn misplaced(expected: u64, found: Position) -> Option<Finding> {
    let found = found.get();
    let (position, what) = match expected {
        _ if found == expected => return None,
        _ if found < expected => (found, "positions begin at 1".to_owned()),
        one if found == one + 1 => (one, "the event is missing".to_owned()),
        first => (first, format!("the events up to position {} are missing", found - 1)),
    };
    let position = Some(Position::new(position));
    Some(Finding { position, stream: None, revision: None, kind: Kind::Position, what })
}

fn contradictions(row: &Row, findings: &mut Vec<Finding>) -> Result<(), LogError> {
    let position: i64 = get(row, 0)?;
    let revision: i64 = get(row, 1)?;
    let command: Uuid = get(row, 4)?;
    let mut found = |kind, what| -> Result<(), LogError> {
        findings.push(Finding {
            position: Some(Position::new(unsigned(position))),
            stream: stream_of(get(row, 2)?, get(row, 3)?),
            revision: Some(Revision::new(unsigned(revision))),
            kind,
            what,
        });
        Ok(())
    };
    match (get::<Option<i64>>(row, 5)?, get::<Option<i32>>(row, 6)?) {
        (Some(last), Some(count)) if position > last || position <= last - i64::from(count) => {
            let what = format!("the command {command} is recorded with {count} events up to position {last}");
            found(Kind::Command, what)?;
        }
        (Some(_), Some(_)) => {}
        _ => found(Kind::Command, format!("the command {command} is not on record"))?,
    }
    match (get::<Option<i64>>(row, 7)?, get::<Option<i64>>(row, 8)?, get::<Option<i64>>(row, 9)?) {
        (Some(last), ..) if revision > last => {
            found(Kind::Stream, format!("the stream is recorded to end at revision {last}"))
        }
        (Some(_), Some(min), Some(max)) if position < min || position > max => {
            found(Kind::Stream, format!("the stream is recorded to lie within positions {min} to {max}"))
        }
        (Some(_), ..) => Ok(()),
        (None, ..) => found(Kind::Stream, "the stream is not on record".to_owned()),
    }
}

/// Every command's events stand where its row says.
pub(super) async fn commands(
    shared: &Shared,
    since: Option<Position>,
    found: &mut (dyn FnMut(Finding) + Send),
) -> Result<(), LogError> {
    let since = since.map_or(0, |since| signed(since.get()));
    let mut after = Uuid::nil();
    loop {
        let parameters: [&(dyn ToSql + Sync); 3] = [&after, &BOOK_ROWS, &since];
        let rows = query(shared, ATTEMPT, COMMANDS, &parameters).await?;
        for row in &rows {
            let (id, position): (Uuid, i64) = (get(row, 0)?, get(row, 1)?);
            let (count, there): (i32, i32) = (get(row, 2)?, get(row, 3)?);
            if count < 1 || there != count {
                let what = format!(
                    "the command {id} is recorded with {count} events up to position {position}, of which {there} are there"
                );
                let position = Some(Position::new(unsigned(position)));
                found(Finding { position, stream: None, revision: None, kind: Kind::Command, what });
            }
            after = id;
        }
        if i64::try_from(rows.len()).is_ok_and(|count| count < BOOK_ROWS) {
            return Ok(());
        }
    }
}

/// Every stream begins, and ends where its row says.
pub(super) async fn streams(
    shared: &Shared,
    since: Option<Position>,
    found: &mut (dyn FnMut(Finding) + Send),
) -> Result<(), LogError> {
    let since = since.map_or(-1, |since| signed(since.get()));
    let (mut after, mut category) = (Uuid::nil(), -1_i16);
    loop {
        let parameters: [&(dyn ToSql + Sync); 4] = [&after, &category, &BOOK_ROWS, &since];
        let rows = query(shared, ATTEMPT, STREAMS, &parameters).await?;
        for row in &rows {
            let (id, code): (Uuid, i16) = (get(row, 0)?, get(row, 1)?);
            let revision: i64 = get(row, 2)?;
            let (begins, ends): (bool, bool) = (get(row, 3)?, get(row, 4)?);
            let ends_at = if ends { None } else { Some(Revision::new(unsigned(revision))) };
            let begins_at = if begins { None } else { Some(Revision::new(0)) };
            for revision in [begins_at, ends_at].into_iter().flatten() {
                found(Finding {
                    position: None,
                    stream: stream_of(id, code),
                    revision: Some(revision),
                    kind: Kind::Stream,
                    what: "the stream is recorded to have an event that is not there".to_owned(),
                });
            }
            (after, category) = (id, code);
        }
        if i64::try_from(rows.len()).is_ok_and(|count| count < BOOK_ROWS) {
            return Ok(());
        }
    }
}
