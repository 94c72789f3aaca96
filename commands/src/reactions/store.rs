//! Checkpoints and parked events in schema `write`.

use domain::Timestamp;
use eventstore_schema::database::Pool;
use eventstore_schema::lease;
use eventstore_schema::{Position, RecordedEvent, Revision, StreamId};
use tokio_postgres::{Client, Row};

use super::{Lead, ReactionError, leader};

/// How far a reaction has come.
#[derive(Clone, Debug, PartialEq)]
pub struct ReactionStatus {
    /// Its name.
    pub reaction: String,
    /// Position of the last event that it has passed.
    pub position: Option<Position>,
    /// Events set aside.
    pub parked: Vec<ParkedEvent>,
    /// Host and process that lead it.
    pub led_by: Option<String>,
}

/// An event that a reaction could not answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ParkedEvent {
    /// Its position.
    pub position: Position,
    /// Its stream.
    pub stream: StreamId,
    /// Its place there.
    pub revision: Revision,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// A reaction's position; `None` before its first event.
pub(super) async fn checkpoint(client: &Client, reaction: &str) -> Result<Option<Position>, ReactionError> {
    let sql = "SELECT position FROM write.reaction_checkpoints WHERE reaction = $1";
    let row = client.query_opt(sql, &[&reaction]).await?;
    row.map(|row| position(&row, 0)).transpose()
}

/// Moves a checkpoint on; never back.
pub(super) async fn save_checkpoint(
    lead: &Lead,
    reaction: &str,
    at: Position,
    now: Timestamp,
) -> Result<(), ReactionError> {
    let sql = "INSERT INTO write.reaction_checkpoints AS c (reaction, position, updated_at) VALUES ($1, $2, $3) \
               ON CONFLICT (reaction) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at \
               WHERE c.position < excluded.position";
    lead.write(sql, &[&reaction, &stored(at)?, &now.as_micros()]).await?;
    Ok(())
}

/// Sets an event aside, or notes that it failed again.
pub(super) async fn park(
    lead: &Lead,
    reaction: &str,
    event: &RecordedEvent,
    reason: &str,
    retry_at: Timestamp,
) -> Result<(), ReactionError> {
    let sql = "INSERT INTO write.reaction_parked AS p (reaction, position, stream, revision, reason, attempts, retry_at) \
               VALUES ($1, $2, $3, $4, $5, 1, $6) ON CONFLICT (reaction, position) DO UPDATE \
               SET reason = excluded.reason, attempts = p.attempts + 1, retry_at = excluded.retry_at";
    let revision = i64::try_from(event.revision.get()).unwrap_or(i64::MAX);
    let stream = event.stream.to_string();
    let position = stored(event.position)?;
    lead.write(sql, &[&reaction, &position, &stream, &revision, &reason, &retry_at.as_micros()]).await?;
    Ok(())
}

/// An event that was set aside is answered.
pub(super) async fn unpark(lead: &Lead, reaction: &str, at: Position) -> Result<(), ReactionError> {
    let sql = "DELETE FROM write.reaction_parked WHERE reaction = $1 AND position = $2";
    lead.write(sql, &[&reaction, &stored(at)?]).await?;
    Ok(())
}

/// Events to be tried again at `now`, the earliest first.
pub(super) async fn due(
    client: &Client,
    reaction: &str,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<ParkedEvent>, ReactionError> {
    let sql = "SELECT position, stream, revision, reason, attempts FROM write.reaction_parked \
               WHERE reaction = $1 AND retry_at <= $2 ORDER BY position LIMIT $3";
    client.query(sql, &[&reaction, &now.as_micros(), &limit]).await?.iter().map(parked).collect()
}

/// How many events are set aside.
pub(super) async fn parked_count(client: &Client, reaction: &str) -> Result<i64, ReactionError> {
    let sql = "SELECT count(*) FROM write.reaction_parked WHERE reaction = $1";
    Ok(client.query_one(sql, &[&reaction]).await?.try_get(0)?)
}

/// How far a reaction has come, and what it set aside (at most `limit` events).
pub(super) async fn status(pool: &Pool, reaction: &str, limit: i64) -> Result<ReactionStatus, ReactionError> {
    let connection = pool.get().await?;
    let client = connection.client()?;
    let position = checkpoint(client, reaction).await?;
    let parked = due(client, reaction, Timestamp::from_micros(i64::MAX), limit).await?;
    let led_by = lease::holders(client).await?.remove(&leader::lease_name(reaction));
    Ok(ReactionStatus { reaction: reaction.to_owned(), position, parked, led_by })
}

fn parked(row: &Row) -> Result<ParkedEvent, ReactionError> {
    let stream: &str = row.try_get(1)?;
    let stream = stream.parse().map_err(|_| damaged("stream"))?;
    let revision: i64 = row.try_get(2)?;
    let attempts: i32 = row.try_get(4)?;
    Ok(ParkedEvent {
        position: position(row, 0)?,
        stream,
        revision: Revision::new(u64::try_from(revision).map_err(|_| damaged("revision"))?),
        reason: row.try_get(3)?,
        attempts: u32::try_from(attempts).unwrap_or_default(),
    })
}

/// A position as the tables hold it.
pub(super) fn stored(position: Position) -> Result<i64, ReactionError> {
    i64::try_from(position.get()).map_err(|_| damaged("position"))
}

/// A position read from the tables.
pub(super) fn position(row: &Row, column: usize) -> Result<Position, ReactionError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map(Position::new).map_err(|_| damaged("position"))
}

fn damaged(column: &str) -> ReactionError {
    ReactionError::Failed(format!("column {column} in schema write holds what Envoi did not write"))
}
