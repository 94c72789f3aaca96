//! The writer: one task that turns the queue into batches and their answers into results.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio::time::Instant;
use tokio_postgres::{Client, Row, Statement};

use super::Shared;
use super::batch::{APPEND, Answer, Batch, Place};
use super::locking;
use super::queue::Waiting;
use super::room::Room;
use super::rows::describe;
use super::tail;
use crate::database::{self, Role};
use crate::envelope::{Revision, StreamId};
use crate::log::Condition;
use crate::metrics;

/// Batches on the way at once: while the database writes one, the process prepares the next. More would only make each
/// smaller.
const BATCHES_IN_FLIGHT_MAX: usize = 2;
/// Pause between attempts to connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
/// Durability and isolation that the guarantees rest on, whatever the server's defaults; a batch that takes longer than
/// the timeout waits for somebody else's lock, and a server that cannot send does not keep the lock. What is read under it is
/// planned once, as for readers.
const WRITER_OPTIONS: &str = "-c synchronous_commit=on -c default_transaction_isolation=read\\ committed \
    -c default_transaction_read_only=off -c statement_timeout=10s -c tcp_user_timeout=2000 \
        -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_bitmapscan=off";

/// A live connection with the statement prepared.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) statement: Statement,
    /// Reads what others appended.
    pub(super) others: Statement,
}

/// Writes until the engine is closed and nothing waits.
pub(super) async fn run(shared: Arc<Shared>) {
    while let Some(session) = connect(&shared).await {
        shared.queue.serve(true);
        let served = serve(&shared, &session).await;
        shared.queue.serve(false);
        if served.is_ok() {
            return;
        }
        shared.metrics.reconnected();
        tokio::time::sleep(RECONNECT_PAUSE).await;
        fail_impatient(&shared, "the connection was lost");
    }
}

/// Connects, however long it takes, failing appends that have waited too long meanwhile. `None` once the engine is closed.
async fn connect(shared: &Arc<Shared>) -> Option<Session> {
    loop {
        match tokio::time::timeout(shared.config.patience, open(shared)).await {
            Ok(Ok(session)) => return Some(session),
            Ok(Err(reason)) => {
                tracing::warn!(reason, "the log's writer cannot connect");
                fail_impatient(shared, &reason);
            }
            Err(_) => fail_impatient(shared, "connecting takes too long"),
        }
        if shared.queue.is_closed() {
            let (all, ()) = shared.queue.take(|waiting| (waiting.len(), ()));
            give_up(shared, all, "the engine is closed");
            return None;
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

async fn open(shared: &Arc<Shared>) -> Result<Session, String> {
    let text = |error: tokio_postgres::Error| describe(&error);
    let mut config = database::in_role(&shared.config.connection, Role::App);
    let stopped = shared.config.stopped_max.as_millis();
    let options = format!("{WRITER_OPTIONS} -c idle_in_transaction_session_timeout={stopped}ms");
    config = database::with_options(&config, &options);
    config.application_name("envoi log writer");
    let client = database::connect(&config).await.map_err(text)?;
    let statement = client.prepare(APPEND).await.map_err(text)?;
    let others = client.prepare(&locking::others()).await.map_err(text)?;
    // What was read from the server before may not be what it has now.
    shared.tail.clear();
    shared.room.make(&client, shared.signals.position()).await.map_err(text)?;
    Ok(Session { client, statement, others })
}

/// Fails what has waited longer than callers are made to wait.
fn fail_impatient(shared: &Shared, reason: &str) {
    let now = Instant::now();
    let patience = shared.config.patience;
    // Oldest first: everything behind the first patient one is younger. All appends of a call are of one age.
    let (impatient, ()) = shared.queue.take(|waiting| {
        (waiting.iter().take_while(|one| now.duration_since(one.call.since) >= patience).count(), ())
    });
    give_up(shared, impatient, reason);
}

/// Gives calls up, whole. What was never sent, behind something of its stream that was, is known not to be there.
fn give_up(shared: &Shared, waiting: Vec<Waiting>, reason: &str) {
    let mut chains = HashSet::new();
    for one in waiting {
        shared.metrics.appended(metrics::Outcome::Unavailable, one.call.since.elapsed());
        if chains.insert(one.chain()) {
            one.give_up(reason);
        } else {
            one.refuse_unfounded();
        }
    }
}

/// Refuses what still waits of chains that broke.
fn break_chains(shared: &Shared, chains: &[(u64, StreamId)]) {
    if chains.is_empty() {
        return;
    }
    for one in shared.queue.take_chains(chains) {
        shared.metrics.appended(metrics::Outcome::Conflict, one.call.since.elapsed());
        one.refuse_unfounded();
    }
}

/// The connection is of no use any more.
pub(super) struct Lost;

/// A batch that was sent, and the answer.
pub(super) type Sent = (Batch, Result<Vec<Row>, tokio_postgres::Error>);

/// A batch that was not written, or of which nobody knows.
struct Failed {
    batch: Batch,
    reason: String,
    /// The batch itself is at fault, not the server or the way to it.
    refused: bool,
}

/// Sends batches over one connection until it is lost (with everything unanswered back in the queue) or the engine is
/// closed and all is written.
async fn serve(shared: &Arc<Shared>, session: &Session) -> Result<(), Lost> {
    let mut in_flight = FuturesOrdered::new();
    // Calls of which a part is on the way, in the order of the batches.
    let mut continued = VecDeque::new();
    // Whether others wait for those who decided under the lock: one batch goes before it is taken again.
    let mut owes_batch = false;
    loop {
        let wants_lock = shared.queue.wants_lock() && !owes_batch;
        if wants_lock && in_flight.is_empty() {
            let locked = locking::decide_and_send(shared, session).await?;
            owes_batch = locked.leaves_some;
            if let Some(Err(failed)) = locked.sent.map(|sent| settle(shared, sent)) {
                recover(shared, vec![failed])?;
            }
            continue;
        }
        let is_closed = shared.queue.is_closed();
        // The lock is taken when what is under way is answered: nothing more is sent before.
        let mut is_blocked = wants_lock;
        while !is_blocked && in_flight.len() < BATCHES_IN_FLIGHT_MAX {
            let under_way: Vec<_> = continued.iter().copied().flatten().collect();
            owes_batch = false;
            let Some(batch) = Batch::take(&shared.queue, &under_way) else {
                is_blocked = !under_way.is_empty();
                break;
            };
            continued.push_back(batch.continued);
            in_flight.push_back(send(shared, session, batch));
            if shared.queue.wants_lock() {
                break;
            }
        }
        if in_flight.is_empty() && is_closed {
            return Ok(());
        }
        let may_send_more = !is_blocked && in_flight.len() < BATCHES_IN_FLIGHT_MAX && !is_closed;
        tokio::select! {
            Some(sent) = in_flight.next() => {
                continued.pop_front();
                if let Err(failed) = settle(shared, sent) {
                    let mut all = vec![failed];
                    while let Some(sent) = in_flight.next().await {
                        all.extend(settle(shared, sent).err());
                    }
                    continued.clear();
                    recover(shared, all)?;
                }
            }
            () = shared.queue.arrival(), if may_send_more => {}
        }
    }
}

async fn send(shared: &Shared, session: &Session, batch: Batch) -> Sent {
    let place = Place { known: shared.signals.position(), ceiling: shared.room.ceiling() };
    let result = batch.send(&session.client, &session.statement, place).await;
    (batch, result)
}

/// Answers everybody in a batch.
fn settle(shared: &Arc<Shared>, (batch, result): Sent) -> Result<(), Failed> {
    let answer = match result {
        Ok(rows) => Answer::of(&rows),
        Err(error) => {
            let refused = is_refusal(&error);
            return Err(Failed { batch, reason: describe(&error), refused });
        }
    };
    let outcome = match answer {
        Ok(Answer::Judged(outcome)) => outcome,
        Ok(Answer::Outdated(ends)) => {
            refuse_outdated(shared, batch, &ends);
            return Ok(());
        }
        Err(reason) => return Err(Failed { batch, reason, refused: true }),
    };
    let mut events = Vec::with_capacity(batch.events);
    let mut answers = Vec::with_capacity(batch.waiting.len());
    let mut broken = Vec::new();
    let continued = batch.continued;
    let (position, written) = outcome.settle(batch, |one, result| {
        if let Ok(appended) = &result
            && !appended.replayed
        {
            events.extend(tail::recorded(&one, appended));
        }
        let stands = result.as_ref().is_ok_and(|appended| one.append.stands(appended));
        if continued == Some(one.call.id) && !stands {
            broken.push(one.chain());
        }
        let outcome = match &result {
            Ok(appended) if appended.replayed => metrics::Outcome::Replayed,
            Ok(_) => metrics::Outcome::Written,
            Err(_) => metrics::Outcome::Conflict,
        };
        shared.metrics.appended(outcome, one.call.since.elapsed());
        answers.push((one, result));
    });
    if written > 0 {
        shared.metrics.batch(written, position);
        shared.tail.add(events);
        shared.signals.appended(position);
        Room::look_ahead(shared, position);
    }
    // Not before: whoever is told that something is written finds it when they read.
    for (one, result) in answers {
        one.answer(result);
    }
    break_chains(shared, &broken);
    Ok(())
}

/// Refuses what was decided by streams that have gone on, and what builds on it; the others go into the next batch.
fn refuse_outdated(shared: &Shared, batch: Batch, ends: &HashMap<StreamId, Option<Revision>>) {
    let fails =
        |condition: &Condition| ends.get(&condition.stream).is_some_and(|last| *last != condition.last);
    let (mut unwritten, mut broken) = (Vec::new(), Vec::new());
    for one in batch.waiting {
        let is_unfounded = broken.contains(&one.chain());
        if !is_unfounded && !one.append.conditions.iter().any(fails) {
            unwritten.push(Waiting { is_sifted: true, ..one });
            continue;
        }
        shared.metrics.appended(metrics::Outcome::Conflict, one.call.since.elapsed());
        if is_unfounded {
            one.refuse_unfounded();
        } else {
            broken.push(one.chain());
            one.refuse_outdated();
        }
    }
    shared.queue.put_back(unwritten);
    break_chains(shared, &broken);
}

/// Puts failed batches back in their order. One that was refused as a whole is tried again append by append, so that one
/// bad append fails by itself.
fn recover(shared: &Shared, failed: Vec<Failed>) -> Result<(), Lost> {
    let mut lost = false;
    let mut unwritten = Vec::new();
    let mut broken = Vec::new();
    for Failed { batch, reason, refused } in failed {
        tracing::warn!(reason, events = batch.events, "the log's writer could not write a batch");
        lost |= !refused;
        match <[Waiting; 1]>::try_from(batch.waiting) {
            Ok([one]) if refused => {
                broken.push(one.chain());
                one.give_up(&reason);
            }
            Ok([one]) => unwritten.push(one.failed(false)),
            Err(many) => unwritten.extend(many.into_iter().map(|one| one.failed(refused))),
        }
    }
    shared.queue.put_back(unwritten);
    break_chains(shared, &broken);
    if lost { Err(Lost) } else { Ok(()) }
}

/// Whether the same batch would fail again with the same server in good health.
pub(super) fn is_refusal(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else {
        let is_io = std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>());
        return !error.is_closed() && !is_io;
    };
    !database::is_passing(code)
}
