//! Checkpoints of reactions, in schema `write`.

use domain::Timestamp;
use eventstore_schema::Position;
use eventstore_schema::database::Pool;
use eventstore_schema::lease;
use tokio_postgres::{Client, Row};

use super::parked::{self, ParkedFigures};
use super::{Lead, ReactionError, leader};

/// How far a reaction has come.
#[derive(Clone, Debug, PartialEq)]
pub struct ReactionStatus {
    /// Its name.
    pub reaction: String,
    /// Position of the last event that it has passed.
    pub position: Option<Position>,
    /// What it has set aside.
    pub parked: ParkedFigures,
    /// Host and process that lead it.
    pub led_by: Option<String>,
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

/// Where reactions that another one follows are with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// Each has answered it, or is past it.
    Past,
    /// One of them has not come to it yet.
    Behind,
    /// One of them has set it aside.
    Parked,
}

/// Where the reactions of these names are with the event at a position.
pub(super) async fn followed(
    lead: &Lead,
    reactions: &[&str],
    at: Position,
) -> Result<Followed, ReactionError> {
    let sql = "SELECT coalesce(bool_and(coalesce(c.position >= $2, false)), true), \
               EXISTS (SELECT 1 FROM write.reaction_parked AS p WHERE p.reaction = ANY($1) AND p.position = $2) \
               FROM unnest($1::text[]) AS followed LEFT JOIN write.reaction_checkpoints AS c ON c.reaction = followed";
    let rows = lead.read(sql, &[&reactions, &stored(at)?]).await?;
    let row = rows.first().ok_or_else(|| damaged("position"))?;
    let (past, parked): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    Ok(match (parked, past) {
        (true, _) => Followed::Parked,
        (false, true) => Followed::Past,
        (false, false) => Followed::Behind,
    })
}

/// How far a reaction has come, and how much it set aside.
pub(super) async fn status(pool: &Pool, reaction: &str) -> Result<ReactionStatus, ReactionError> {
    let connection = pool.get().await?;
    let client = connection.client()?;
    let position = checkpoint(client, reaction).await?;
    let parked = parked::figures(client, reaction).await?;
    let led_by = lease::holders(client).await?.remove(&leader::lease_name(reaction));
    Ok(ReactionStatus { reaction: reaction.to_owned(), position, parked, led_by })
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

pub(super) fn damaged(column: &str) -> ReactionError {
    ReactionError::Failed(format!("column {column} in schema write holds what Envoi did not write"))
}
