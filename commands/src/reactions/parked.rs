//! Events that reactions set aside, in schema `write`. Each statement is whole in itself, so that at every moment the first of
//! an ordering key, and no other, has a time to be tried again.

use std::collections::HashSet;

use domain::{EventId, Timestamp};
use eventstore_schema::database::Pool;
use eventstore_schema::{Position, RecordedEvent, Revision, StreamId};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::store::{damaged, position, stored};
use super::{Lead, ReactionError};
use crate::limits::{
    REACTION_PARKED_PAGE, REACTION_PARKED_REST_SECONDS_MAX, REACTION_PARKED_REST_SECONDS_MIN,
    REACTION_REASON_CHARS_MAX,
};

/// An event that a reaction set aside.
#[derive(Clone, Debug, PartialEq)]
pub struct ParkedEvent {
    /// The reaction.
    pub reaction: String,
    /// The event's position.
    pub position: Position,
    /// Its id.
    pub event_id: EventId,
    /// Its name.
    pub event_type: String,
    /// Its stream.
    pub stream: StreamId,
    /// Its place there.
    pub revision: Revision,
    /// The account, or else the stream, whose events are answered in order and wait behind it.
    pub ordering_key: StreamId,
    /// Why it was not answered the last time; none if it was never tried.
    pub reason: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was set aside.
    pub since: Timestamp,
    /// When it is tried again; none while it waits for another.
    pub retry_at: Option<Timestamp>,
    /// Events that wait behind it.
    pub waiting: u64,
}

/// What a reaction has set aside, in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParkedFigures {
    /// How many events.
    pub events: u64,
    /// Since when the oldest is.
    pub oldest: Option<Timestamp>,
}

/// An event that is due.
pub(super) struct Due {
    pub(super) event_id: EventId,
    pub(super) stream: StreamId,
    pub(super) revision: Revision,
}

/// Why an event is set aside.
pub(super) enum Cause<'a> {
    /// It was tried so often, in vain.
    Tried { attempts: u32, reason: &'a str },
    /// Others of its ordering key were set aside before it.
    Behind,
}

/// Sets an event aside; `false` when it is already.
pub(super) async fn park(
    lead: &Lead,
    reaction: &str,
    event: &RecordedEvent,
    key: StreamId,
    cause: Cause<'_>,
    now: Timestamp,
) -> Result<bool, ReactionError> {
    let (reason, attempts, rest) = match cause {
        Cause::Tried { attempts, reason } => {
            (Some(shortened(reason)), attempts, REACTION_PARKED_REST_SECONDS_MIN)
        }
        Cause::Behind => (None, 0, 0),
    };
    let (event_id, revision) = (event.event_id.as_uuid(), stored_revision(event.revision));
    let attempts = i32::try_from(attempts).unwrap_or(i32::MAX);
    let (parked_at, retry_at) = (now.as_micros(), now.plus_seconds(i64::from(rest)).as_micros());
    let (position, stream, key) = (stored(event.position)?, event.stream.to_string(), key.to_string());
    let sql = include_str!("../../sql/park_event.sql");
    let written = lead
        .write(
            sql,
            &[
                &reaction,
                &position,
                &event_id,
                &event.event_type,
                &stream,
                &revision,
                &key,
                &reason,
                &attempts,
                &parked_at,
                &retry_at,
                &rest,
            ],
        )
        .await?;
    Ok(written > 0)
}

/// Notes that an event was tried again in vain: it rests twice as long as before.
pub(super) async fn failed(
    lead: &Lead,
    reaction: &str,
    event_id: EventId,
    reason: &str,
    now: Timestamp,
) -> Result<(), ReactionError> {
    let sql = "UPDATE write.reaction_parked \
               SET attempts = attempts + 1, reason = $3, rest_seconds = least(greatest(2 * rest_seconds, $4), $5), \
                   retry_at = $6 + 1000000 * least(greatest(2 * rest_seconds, $4), $5)::bigint \
               WHERE reaction = $1 AND event_id = $2";
    let bounds = (REACTION_PARKED_REST_SECONDS_MIN, REACTION_PARKED_REST_SECONDS_MAX);
    let (event_id, reason) = (event_id.as_uuid(), shortened(reason));
    lead.write(sql, &[&reaction, &event_id, &reason, &bounds.0, &bounds.1, &now.as_micros()]).await?;
    Ok(())
}

/// Takes out an event that is answered, given up or discarded, and lets the next of its ordering key follow.
pub(super) async fn unpark(
    lead: &Lead,
    reaction: &str,
    event_id: EventId,
    now: Timestamp,
) -> Result<(), ReactionError> {
    let sql = include_str!("../../sql/unpark_event.sql");
    lead.write(sql, &[&reaction, &event_id.as_uuid(), &now.as_micros()]).await?;
    Ok(())
}

/// Has an event tried again now, unless it waits for another.
pub(super) async fn hasten(
    lead: &Lead,
    reaction: &str,
    event_id: EventId,
    now: Timestamp,
) -> Result<(), ReactionError> {
    let sql = "UPDATE write.reaction_parked SET retry_at = $3, rest_seconds = 0 \
               WHERE reaction = $1 AND event_id = $2 AND retry_at IS NOT NULL";
    lead.write(sql, &[&reaction, &event_id.as_uuid(), &now.as_micros()]).await?;
    Ok(())
}

/// Which of these ordering keys have events set aside.
pub(super) async fn held_back(
    lead: &Lead,
    reaction: &str,
    keys: &HashSet<StreamId>,
) -> Result<HashSet<StreamId>, ReactionError> {
    // A key may have any number of events: the first is enough.
    let sql = "SELECT key FROM unnest($2::text[]) AS key CROSS JOIN LATERAL \
               (SELECT 1 FROM write.reaction_parked WHERE reaction = $1 AND ordering_key = key LIMIT 1) AS first";
    let keys: Vec<String> = keys.iter().map(StreamId::to_string).collect();
    lead.read(sql, &[&reaction, &keys]).await?.iter().map(|row| stream(row, 0)).collect()
}

/// Events to be tried again at `now`, those first that are due longest. A time further off than any rest was written by a clock
/// that was ahead: it is no reason to wait.
pub(super) async fn due(lead: &Lead, reaction: &str, now: Timestamp) -> Result<Vec<Due>, ReactionError> {
    let sql = "SELECT event_id, stream, revision FROM write.reaction_parked \
               WHERE reaction = $1 AND (retry_at <= $2 OR retry_at > $4) ORDER BY retry_at, position LIMIT $3";
    let furthest = now.plus_seconds(i64::from(REACTION_PARKED_REST_SECONDS_MAX)).as_micros();
    let rows = lead.read(sql, &[&reaction, &now.as_micros(), &REACTION_PARKED_PAGE, &furthest]).await?;
    rows.iter()
        .map(|row| {
            let event_id = EventId::from(row.try_get::<_, Uuid>(0)?);
            Ok(Due { event_id, stream: stream(row, 1)?, revision: revision(row, 2)? })
        })
        .collect()
}

/// How much a reaction has set aside.
pub(super) async fn figures(client: &Client, reaction: &str) -> Result<ParkedFigures, ReactionError> {
    let sql = "SELECT count(*), min(parked_at) FROM write.reaction_parked WHERE reaction = $1";
    figures_of(&client.query_one(sql, &[&reaction]).await?, 0)
}

fn figures_of(row: &Row, column: usize) -> Result<ParkedFigures, ReactionError> {
    let (events, oldest): (i64, Option<i64>) = (row.try_get(column)?, row.try_get(column + 1)?);
    let events = u64::try_from(events).map_err(|_| damaged("position"))?;
    Ok(ParkedFigures { events, oldest: oldest.map(Timestamp::from_micros) })
}

/// What each reaction has set aside; those that have nothing are not among them.
///
/// # Errors
/// When the write side's tables cannot be read.
pub async fn parked_figures(client: &Client) -> Result<Vec<(String, ParkedFigures)>, ReactionError> {
    let sql = "SELECT reaction, count(*), min(parked_at) FROM write.reaction_parked GROUP BY reaction ORDER BY reaction";
    let rows = client.query(sql, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, figures_of(row, 1)?))).collect()
}

/// A page of the events behind `after` that these reactions set aside and try again.
pub(super) async fn list(
    pool: &Pool,
    reactions: &[&str],
    after: Option<Position>,
    limit: i64,
) -> Result<Vec<ParkedEvent>, ReactionError> {
    let after = after.map_or(Ok(-1), stored)?;
    let connection = pool.get().await?;
    let sql = include_str!("../../sql/list_parked_events.sql");
    connection.query(sql, &[&reactions, &after, &limit]).await?.iter().map(parked).collect()
}

/// The event at a position, if a reaction has set it aside.
pub(super) async fn find(
    pool: &Pool,
    reaction: &str,
    at: Position,
) -> Result<Option<ParkedEvent>, ReactionError> {
    let sql = "SELECT reaction, position, event_id, event_type, stream, revision, ordering_key, reason, attempts, \
               parked_at, retry_at, 0::bigint FROM write.reaction_parked WHERE reaction = $1 AND position = $2";
    let connection = pool.get().await?;
    connection.query_opt(sql, &[&reaction, &stored(at)?]).await?.as_ref().map(parked).transpose()
}

fn parked(row: &Row) -> Result<ParkedEvent, ReactionError> {
    let (attempts, waiting): (i32, i64) = (row.try_get(8)?, row.try_get(11)?);
    Ok(ParkedEvent {
        reaction: row.try_get(0)?,
        position: position(row, 1)?,
        event_id: EventId::from(row.try_get::<_, Uuid>(2)?),
        event_type: row.try_get(3)?,
        stream: stream(row, 4)?,
        revision: revision(row, 5)?,
        ordering_key: stream(row, 6)?,
        reason: row.try_get(7)?,
        attempts: u32::try_from(attempts).map_err(|_| damaged("attempts"))?,
        since: Timestamp::from_micros(row.try_get(9)?),
        retry_at: row.try_get::<_, Option<i64>>(10)?.map(Timestamp::from_micros),
        waiting: u64::try_from(waiting).map_err(|_| damaged("position"))?,
    })
}

fn stream(row: &Row, column: usize) -> Result<StreamId, ReactionError> {
    row.try_get::<_, &str>(column)?.parse().map_err(|_| damaged("stream"))
}

fn revision(row: &Row, column: usize) -> Result<Revision, ReactionError> {
    let revision: i64 = row.try_get(column)?;
    u64::try_from(revision).map(Revision::new).map_err(|_| damaged("revision"))
}

fn stored_revision(revision: Revision) -> i64 {
    i64::try_from(revision.get()).unwrap_or(i64::MAX)
}

fn shortened(reason: &str) -> String {
    // PostgreSQL takes no NUL in text.
    reason.chars().filter(|c| *c != '\0').take(REACTION_REASON_CHARS_MAX).collect()
}
