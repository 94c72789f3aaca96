//! Deciding under the append lock: for streams that writers of several processes keep taking from each other.
//!
//! The writer takes the lock of `log.append` first, reads what others appended, hands it to those who wait for it, and gives
//! them a moment to decide. What they decided goes into one batch, with which the lock ends. So each of their commands is
//! decided once, where it would else be decided again and again, late each time.
//!
//! All processes wait meanwhile, so what is read under the lock is little: of whoever is far behind, most is read before.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

use super::Shared;
use super::batch::{Batch, Place};
use super::reader::signed;
use super::rows::{self, COLUMNS, describe};
use super::writer::{Lost, Sent, Session, is_refusal};
use crate::append_lock::{AppendLock, NewestEvents};
use crate::envelope::{RecordedEvent, Revision, StreamId};

/// Most events of others that are read at once under the lock.
const EVENTS_MAX: u64 = 256;
/// Most bytes of payloads and sealed parts that are read at once under the lock, but for one event more: what a socket takes, so
/// that a process that stops reading does not keep the server, and the lock, in the middle of its answer.
const BYTES_MAX: i64 = 96 * 1024;
/// How often at most: together about as much as another process appends in one batch.
const READS_MAX: usize = 8;
/// How far behind a process may be and read up before it takes the lock. One that is further behind begins here.
const BEHIND_MAX: u64 = 1_024;
/// Most bytes that are read then.
const BEHIND_BYTES_MAX: i64 = 8 * 1024 * 1024;

impl NewestEvents for Shared {
    fn of_stream(&self, stream: StreamId, from: Revision) -> Option<Vec<RecordedEvent>> {
        self.tail.of_stream(stream, from)
    }
}

/// The statement that reads what others appended: events up to a position and a sum of bytes, and with each the last position.
pub(super) fn others() -> String {
    let bytes = "(octet_length(e.payload) + coalesce(octet_length(e.sealed), 0))";
    format!(
        "SELECT {COLUMNS}, (SELECT max(position) FROM log.events WHERE position > $1) \
         FROM (SELECT *, sum({bytes}) OVER (ORDER BY e.position) - {bytes} AS before FROM log.events e \
               WHERE e.position > $1 AND e.position <= $2) e \
         WHERE e.before < $3 ORDER BY e.position"
    )
}

/// What was sent with the lock, if anything waited, and whether more did than went into one batch.
#[derive(Default)]
pub(super) struct Locked {
    pub(super) sent: Option<Sent>,
    pub(super) leaves_some: bool,
}

/// Takes the lock, has those decide who wait for it, and sends what waits then, if anything does. Those who do not get the
/// lock go on without.
pub(super) async fn decide_and_send(shared: &Arc<Shared>, session: &Session) -> Result<Locked, Lost> {
    match attempt(shared, session).await {
        Ok(locked) => Ok(locked),
        Err(error) => {
            tracing::warn!(reason = describe(&error), "the append lock could not be had");
            shared.queue.refuse_lockers();
            let client = &session.client;
            let goes_on = is_refusal(&error) && client.batch_execute("ROLLBACK").await.is_ok();
            if goes_on { Ok(Locked::default()) } else { Err(Lost) }
        }
    }
}

async fn attempt(shared: &Arc<Shared>, session: &Session) -> Result<Locked, Error> {
    let client = &session.client;
    let has_all = lock(shared, session).await?;
    let (held, mut released) = mpsc::channel(1);
    let lockers = shared.queue.take_lockers(has_all);
    for waiting in lockers.into_iter().filter(|_| has_all) {
        let newest: Arc<dyn NewestEvents> = Arc::<Shared>::clone(shared);
        // Who went away does not decide.
        let _ = waiting.send(AppendLock::new(newest, held.clone()));
    }
    drop(held);
    let decided = tokio::time::timeout(shared.config.deciding_max, released.recv()).await;
    shared.metrics.locked(match decided {
        _ if !has_all => "behind",
        Ok(_) => "decided",
        Err(_) => "late",
    });
    let Some(batch) = Batch::take(&shared.queue, &[]) else {
        return client.batch_execute("COMMIT").await.map(|()| Locked::default());
    };
    let leaves_some = !shared.queue.is_empty();
    let place = Place { known: shared.signals.position(), ceiling: shared.room.ceiling() };
    let (answer, committed) =
        tokio::join!(batch.send(client, &session.statement, place), client.batch_execute("COMMIT"));
    let answer = answer.and_then(|rows| committed.map(|()| rows));
    Ok(Locked { sent: Some((batch, answer)), leaves_some })
}

/// Begins a transaction with the lock and reads what others appended; whether that is all.
async fn lock(shared: &Shared, session: &Session) -> Result<bool, Error> {
    let known = shared.signals.position();
    if known.saturating_sub(shared.tail.end()) > EVENTS_MAX {
        let after = shared.tail.end().max(known.saturating_sub(BEHIND_MAX));
        take_in(shared, after, &read(session, after, BEHIND_MAX, BEHIND_BYTES_MAX).await?)?;
    }
    let after = shared.tail.end().max(known.saturating_sub(EVENTS_MAX));
    let (locked, rows) = tokio::join!(
        session.client.batch_execute("BEGIN; SELECT log.lock_appends()"),
        read(session, after, EVENTS_MAX, BYTES_MAX)
    );
    locked?;
    let mut has_all = take_in(shared, after, &rows?)?;
    let mut reached = after;
    for _ in 1..READS_MAX {
        // What cannot be decoded is never got past.
        if has_all || shared.tail.end() <= reached {
            break;
        }
        reached = shared.tail.end();
        has_all = take_in(shared, reached, &read(session, reached, EVENTS_MAX, BYTES_MAX).await?)?;
    }
    Ok(has_all)
}

async fn read(session: &Session, after: u64, events: u64, bytes: i64) -> Result<Vec<Row>, Error> {
    let (after, until) = (signed(after), signed(after.saturating_add(events)));
    let bounds: [&(dyn ToSql + Sync); 3] = [&after, &until, &bytes];
    session.client.query(&session.others, &bounds).await
}

/// Keeps at hand what was read behind a position; whether it is all that there is.
fn take_in(shared: &Shared, after: u64, rows: &[Row]) -> Result<bool, Error> {
    // A log that ends before what was known of it is another one.
    let Some(last_row) = rows.last() else { return Ok(after == shared.tail.end()) };
    let end: i64 = last_row.try_get(last_row.len().saturating_sub(1))?;
    let events: Vec<_> = rows.iter().map_while(|row| rows::event(row).ok()).collect();
    let is_whole = events.len() == rows.len();
    let Some(last) = events.last().map(|event| event.position.get()) else { return Ok(false) };
    shared.tail.add(events);
    shared.signals.known(last);
    Ok(is_whole && signed(last) == end)
}
