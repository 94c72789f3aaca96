//! Which log reactions follow. Their checkpoints are positions of one log, so they stand still before any other, and move with
//! a log that is copied.

use std::collections::{BTreeMap, BTreeSet};

use eventstore_schema::database::{Connection, Pool};
use eventstore_schema::{Incarnation, Position};

use super::store::{position, stored};
use super::{Lead, ReactionError};

/// Refuses a log that is not the one that is followed; the first one ever is.
pub(super) async fn check(lead: &Lead, log: Incarnation) -> Result<(), ReactionError> {
    let insert = "INSERT INTO write.followed_log (incarnation) VALUES ($1) ON CONFLICT DO NOTHING";
    lead.write(insert, &[&log.0]).await?;
    let followed: uuid::Uuid =
        lead.query_one("SELECT incarnation FROM write.followed_log", &[]).await?.try_get(0)?;
    if followed == log.0 {
        return Ok(());
    }
    Err(ReactionError::Failed(format!(
        "reactions have followed the log {followed}, this is {}: `envoi log copy` moves a log with all that follows it, \
         `envoi log adopt` takes one that was restored",
        log.0
    )))
}

/// The log that is followed and the positions of all checkpoints and of what was set aside; nothing before the first.
///
/// # Errors
/// When the write side's tables cannot be read.
pub async fn checkpoints(pool: &Pool) -> Result<(Option<Incarnation>, BTreeSet<Position>), ReactionError> {
    let client = pool.get().await?;
    let followed = client.query_opt("SELECT incarnation FROM write.followed_log", &[]).await?;
    let followed = followed.map(|row| row.try_get(0).map(Incarnation)).transpose()?;
    let positions = "SELECT position FROM write.reaction_checkpoints \
                     UNION SELECT position FROM write.reaction_parked";
    let rows = client.query(positions, &[]).await?;
    Ok((followed, rows.iter().map(|row| position(row, 0)).collect::<Result<_, _>>()?))
}

/// The log that is followed; none before the first.
///
/// # Errors
/// When the write side's tables cannot be read.
pub async fn followed(pool: &Pool) -> Result<Option<Incarnation>, ReactionError> {
    let client = pool.get().await?;
    let followed = client.query_opt("SELECT incarnation FROM write.followed_log", &[]).await?;
    Ok(followed.map(|row| row.try_get(0).map(Incarnation)).transpose()?)
}

/// Follows a log unless one is followed; which that is.
///
/// # Errors
/// When the write side's tables cannot be written.
pub async fn follow_first(pool: &Pool, log: Incarnation) -> Result<Incarnation, ReactionError> {
    let client = pool.get().await?;
    let insert = "INSERT INTO write.followed_log (incarnation) VALUES ($1) ON CONFLICT DO NOTHING";
    client.execute(insert, &[&log.0]).await?;
    let row = client.query_one("SELECT incarnation FROM write.followed_log", &[]).await?;
    Ok(Incarnation(row.try_get(0)?))
}

/// The position of the reaction that is furthest in the log that is followed; none before the first event.
///
/// # Errors
/// When the write side's tables cannot be read.
pub async fn furthest(pool: &Pool) -> Result<Option<Position>, ReactionError> {
    let client = pool.get().await?;
    let sql = "SELECT position FROM write.reaction_checkpoints ORDER BY position DESC LIMIT 1";
    let row = client.query_opt(sql, &[]).await?;
    row.map(|row| position(&row, 0)).transpose()
}

/// Moves every checkpoint from one log to its copy, all or none; `false` when they are there already.
///
/// # Errors
/// When they belong to a third log, one is not among `moved`, a reaction is running, or the tables cannot be written.
pub async fn relocate(
    pool: &Pool,
    from: Incarnation,
    to: Incarnation,
    moved: &BTreeMap<Position, Position>,
) -> Result<bool, ReactionError> {
    let client = pool.get().await?;
    client.begin().await?;
    client
        .execute("LOCK TABLE write.reaction_checkpoints, write.reaction_parked IN EXCLUSIVE MODE", &[])
        .await?;
    let followed = client.query_opt("SELECT incarnation FROM write.followed_log FOR UPDATE", &[]).await?;
    let followed = followed.map(|row| row.try_get(0).map(Incarnation)).transpose()?;
    match followed {
        Some(followed) if followed == to => return Ok(false),
        Some(followed) if followed != from => {
            return Err(ReactionError::Failed(format!("reactions follow another log, {}", followed.0)));
        }
        Some(_) | None => {}
    }
    move_all(&client, moved).await?;
    follow(&client, to).await?;
    client.commit().await?;
    Ok(true)
}

/// What became of the reactions when they adopted a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// Reactions that had passed events which the log does not have.
    pub set_back: u64,
    /// Events which the log does not have that were set aside, and are so no longer.
    pub forgotten: u64,
}

/// Follows a log that was restored: no checkpoint lies behind its end, so that nothing which comes now is passed over, and nothing
/// before is answered again. Safe to repeat.
///
/// # Errors
/// When the write side's tables cannot be written.
pub async fn adopt(pool: &Pool, log: Incarnation, end: Option<Position>) -> Result<Adopted, ReactionError> {
    let client = pool.get().await?;
    client.begin().await?;
    client
        .execute("LOCK TABLE write.reaction_checkpoints, write.reaction_parked IN EXCLUSIVE MODE", &[])
        .await?;
    let end = end.map_or(Ok(-1), stored)?;
    let forget = "DELETE FROM write.reaction_parked WHERE position > $1";
    let forgotten = client.execute(forget, &[&end]).await?;
    let back = "UPDATE write.reaction_checkpoints SET position = $1 WHERE position > $1";
    let set_back = match end {
        // A log without events has no position to be set back to.
        -1 => client.execute("DELETE FROM write.reaction_checkpoints", &[]).await?,
        _ => client.execute(back, &[&end]).await?,
    };
    follow(&client, log).await?;
    client.commit().await?;
    Ok(Adopted { set_back, forgotten })
}

async fn follow(transaction: &Connection, log: Incarnation) -> Result<(), ReactionError> {
    let follow = "INSERT INTO write.followed_log (incarnation) VALUES ($1) \
                  ON CONFLICT (singleton) DO UPDATE SET incarnation = excluded.incarnation";
    transaction.execute(follow, &[&log.0]).await?;
    Ok(())
}

async fn move_all(
    transaction: &Connection,
    moved: &BTreeMap<Position, Position>,
) -> Result<(), ReactionError> {
    for row in transaction.query("SELECT reaction, position FROM write.reaction_checkpoints", &[]).await? {
        let (reaction, at): (String, _) = (row.try_get(0)?, position(&row, 1)?);
        let Some(new) = moved.get(&at) else {
            return Err(ReactionError::Failed(format!(
                "the reaction {reaction} went on to position {at} while the log was copied: stop every server first"
            )));
        };
        let update = "UPDATE write.reaction_checkpoints SET position = $2 WHERE reaction = $1";
        transaction.execute(update, &[&reaction, &stored(*new)?]).await?;
    }
    move_parked(transaction, moved).await
}

/// Moves what was set aside. No reaction runs, so all of it is known.
async fn move_parked(
    transaction: &Connection,
    moved: &BTreeMap<Position, Position>,
) -> Result<(), ReactionError> {
    let pairs = moved.iter().map(|(old, new)| Ok((stored(*old)?, stored(*new)?)));
    let (old, new): (Vec<i64>, Vec<i64>) =
        pairs.collect::<Result<Vec<_>, ReactionError>>()?.into_iter().unzip();
    // By way of negative ones: a new position may be another event's old one.
    let aside = "UPDATE write.reaction_parked AS p SET position = -1 - m.new \
                 FROM unnest($1::bigint[], $2::bigint[]) AS m (old, new) WHERE p.position = m.old";
    transaction.execute(aside, &[&old, &new]).await?;
    let left = "SELECT count(*) FROM write.reaction_parked WHERE position >= 0";
    let left: i64 = transaction.query_one(left, &[]).await?.try_get(0)?;
    if left > 0 {
        return Err(ReactionError::Failed(format!(
            "{left} events were set aside while the log was copied: stop every server first"
        )));
    }
    transaction.execute("UPDATE write.reaction_parked SET position = -1 - position", &[]).await?;
    Ok(())
}
