//! Asks whether streams went on since: all that wait, of any streams, with one query. Every command looks at some streams of
//! which hardly any has news, so that a query for each would cost more than the append.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::Shared;
use super::reader::{query, signed};
use super::rows::category_code;
use crate::envelope::{Revision, StreamId};
use crate::log::LogError;

/// Queries under way at once: while one is answered the next gathers, and a slow one does not hold up everybody.
const QUERIES_MAX: usize = 2;
/// Most streams in one query: some tens of microseconds of the server's work each.
const STREAMS_MAX: usize = 512;

const ATTEMPT: &str = "asking whether streams went on";
const SQL: &str = "SELECT a.n FROM unnest($1::uuid[], $2::smallint[], $3::bigint[]) WITH ORDINALITY \
    AS a(id, category, revision, n) \
    JOIN log.streams s ON s.id = a.id AND s.category = a.category AND s.revision >= a.revision";

/// Questions that wait for the next query.
#[derive(Default)]
pub(super) struct Tails {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    questions: Vec<Question>,
    /// Tasks that ask.
    askers: usize,
}

struct Question {
    stream: StreamId,
    from: Revision,
    reply: oneshot::Sender<Result<bool, String>>,
}

impl Tails {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that asks, counted until it ends, also in the middle.
struct Asker {
    shared: Arc<Shared>,
    is_counted: bool,
}

impl Asker {
    /// Takes the next questions; without any, the asker has ended.
    fn next(&mut self) -> Option<Vec<Question>> {
        let mut waiting = self.shared.tails.waiting();
        if waiting.questions.is_empty() {
            // Under the lock: a question that comes now finds nobody who would ask it, and begins anew.
            waiting.askers -= 1;
            self.is_counted = false;
            return None;
        }
        let count = waiting.questions.len().min(STREAMS_MAX);
        Some(waiting.questions.drain(..count).collect())
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        if self.is_counted {
            self.shared.tails.waiting().askers -= 1;
        }
    }
}

/// Whether a stream has an event at a revision, or a later one.
///
/// # Errors
/// When the server cannot be reached.
pub(super) async fn goes_on(
    shared: &Arc<Shared>,
    stream: StreamId,
    from: Revision,
) -> Result<bool, LogError> {
    let (reply, answer) = oneshot::channel();
    let begins = {
        let mut waiting = shared.tails.waiting();
        waiting.questions.push(Question { stream, from, reply });
        let begins = waiting.askers < QUERIES_MAX;
        waiting.askers += usize::from(begins);
        begins
    };
    if begins {
        tokio::spawn(ask(Asker { shared: Arc::clone(shared), is_counted: true }));
    }
    let unavailable = |reason| LogError::Unavailable { attempt: ATTEMPT, reason };
    match answer.await {
        Ok(answer) => answer.map_err(unavailable),
        Err(_) => Err(unavailable("nobody asked".to_owned())),
    }
}

/// Asks until nothing waits.
async fn ask(mut asker: Asker) {
    let shared = Arc::clone(&asker.shared);
    while let Some(questions) = asker.next() {
        let ids: Vec<Uuid> = questions.iter().map(|question| question.stream.id).collect();
        let categories: Vec<i16> =
            questions.iter().map(|question| category_code(question.stream.category)).collect();
        let revisions: Vec<i64> = questions.iter().map(|question| signed(question.from.get())).collect();
        let moved = match query(&shared, ATTEMPT, SQL, &[&ids, &categories, &revisions]).await {
            Ok(rows) => {
                let numbers = rows.iter().map(|row| row.try_get::<_, i64>(0));
                numbers.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())
            }
            Err(LogError::Unavailable { reason, .. } | LogError::Corrupt { reason, .. }) => Err(reason),
        };
        for (question, number) in questions.into_iter().zip(1..) {
            // Who went away needs no answer.
            let _ = question
                .reply
                .send(moved.as_ref().map(|moved| moved.contains(&number)).map_err(Clone::clone));
        }
    }
}
