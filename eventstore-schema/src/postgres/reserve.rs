//! Reservations: deciding while no other process appends, for streams that writers of several processes keep taking from each
//! other.
//!
//! The writer takes the lock of `log.append` first, reads what others appended, hands it to those who wait for it, and gives
//! them a moment to decide. What they decided goes into one batch, with which the lock ends. So each of their commands is
//! decided once, where it would else be decided again and again, late each time.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_postgres::types::ToSql;

use super::Shared;
use super::batch::{Batch, Place};
use super::reader::signed;
use super::rows::{self, COLUMNS, describe};
use super::writer::{Lost, Sent, Session};
use crate::envelope::{RecordedEvent, Revision, StreamId};
use crate::reservation::{NewestEvents, Reservation};

/// Most events of others that are read under the lock. Who is further behind reads its streams by itself.
const EVENTS_MAX: u64 = 2_048;
/// Positions before the last known one that are read anew when none of others' is at hand: so far back a stream may have ended.
const EVENTS_BACK: u64 = EVENTS_MAX / 2;

impl NewestEvents for Shared {
    fn of_stream(&self, stream: StreamId, from: Revision) -> Option<Vec<RecordedEvent>> {
        self.tail.of_stream(stream, from)
    }
}

/// The statement that reads what others appended.
pub(super) fn others() -> String {
    format!(
        "SELECT {COLUMNS} FROM log.events e WHERE e.position > $1 AND e.position <= $2 ORDER BY e.position"
    )
}

/// Takes the lock, has those decide who wait for it, and sends what waits then, if anything does.
pub(super) async fn decide_and_send(shared: &Arc<Shared>, session: &Session) -> Result<Option<Sent>, Lost> {
    let failed = |error: tokio_postgres::Error| {
        tracing::warn!(reason = describe(&error), "the end of the log could not be reserved");
        shared.queue.refuse_reserving();
        Lost
    };
    let is_all = lock(shared, session).await.map_err(failed)?;
    let (held, mut released) = mpsc::channel(1);
    for waiting in shared.queue.take_reserving() {
        if is_all {
            let newest: Arc<dyn NewestEvents> = Arc::<Shared>::clone(shared);
            // Who went away does not decide.
            let _ = waiting.send(Reservation::new(newest, held.clone()));
        }
    }
    drop(held);
    let decided = tokio::time::timeout(shared.config.deciding_max, released.recv()).await;
    shared.metrics.reserved(decided.is_ok());
    let client = &session.client;
    let Some(batch) = Batch::take(&shared.queue, &[]) else {
        client.batch_execute("COMMIT").await.map_err(failed)?;
        return Ok(None);
    };
    let place = Place { known: shared.signals.position(), ceiling: shared.room.ceiling() };
    let (answer, committed) =
        tokio::join!(batch.send(client, &session.statement, place), client.batch_execute("COMMIT"));
    Ok(Some((batch, answer.and_then(|rows| committed.map(|()| rows)))))
}

/// Begins a transaction with the lock and reads what others appended; whether that is all.
async fn lock(shared: &Shared, session: &Session) -> Result<bool, tokio_postgres::Error> {
    let end = shared.tail.end().max(shared.signals.position().saturating_sub(EVENTS_BACK));
    let (after, until) = (signed(end), signed(end + EVENTS_MAX));
    let bounds: [&(dyn ToSql + Sync); 2] = [&after, &until];
    let (begun, rows) = tokio::join!(
        session.client.batch_execute("BEGIN; SELECT log.reserve()"),
        session.client.query(&session.others, &bounds)
    );
    begun?;
    let rows = rows?;
    let events: Vec<_> = rows.iter().map_while(|row| rows::event(row).ok()).collect();
    let is_all = events.len() == rows.len() && (events.len() as u64) < EVENTS_MAX;
    if let Some(last) = events.last() {
        let position = last.position.get();
        shared.tail.add(events);
        shared.signals.known(position);
    }
    Ok(is_all)
}
