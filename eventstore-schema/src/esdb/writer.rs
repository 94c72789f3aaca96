//! Appending: the commands that wait for one stream, in as few writes as can be.

use std::sync::Arc;
use std::time::Duration;

use eventstore::{AppendToStreamOptions, Client, EventData, ExpectedRevision};

use super::Shared;
use super::connection::{Backoff, Failure};
use super::metadata;
use super::reader;
use super::recent::Tail;
use crate::envelope::{Position, Revision, StreamId};
use crate::in_order::Unfounded;
use crate::log::{AppendError, Appended, Expected, LogError, StreamAppend};

/// How often an append that expects nothing tries to catch a stream that moves.
const ANY_ATTEMPTS_MAX: usize = 32;
/// How long the server may take for one write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Most bytes in one write of several commands, below the server's default for `MaxAppendSize` (1 MiB). A single command
/// may have more if the server takes it.
const GROUP_BYTES_MAX: usize = 768 * 1024;
/// What a refused caller waits.
pub(super) const OVERLOADED_RETRY_AFTER: Duration = Duration::from_millis(250);

/// Commands to one stream in order; one result each. From the first that is not written where it was meant to be, the
/// rest, which builds on it, is refused.
pub(super) async fn run(
    shared: &Shared,
    stream: StreamId,
    appends: &[StreamAppend],
) -> Vec<Result<Appended, AppendError>> {
    let cell = shared.recent.of(stream);
    let mut tail = cell.tail.lock().await;
    let mut results = Vec::with_capacity(appends.len());
    let mut attempts = 0;
    let mut unfounded = Unfounded::default();
    let mut noted = 0;
    while let Some(rest) = appends.get(results.len()..).filter(|rest| !rest.is_empty()) {
        for (append, result) in appends.iter().zip(&results).skip(noted) {
            unfounded.note(append, result);
        }
        noted = results.len();
        if unfounded.admit(stream).is_err() {
            results.extend(rest.iter().map(|_| Err(AppendError::Unfounded { stream })));
            break;
        }
        let Some(group) = plan(shared, &mut tail, rest, &mut results).await else { continue };
        attempts += 1;
        match write(shared, &mut tail, &group).await {
            Ok(written) => {
                attempts = 0;
                results.extend(written.into_iter().map(Ok));
            }
            Err(Unwritten::Moved) if attempts < ANY_ATTEMPTS_MAX => {
                // Who is in conflict learns it from the stream as it is now.
                if let Err(error) = reader::update(shared, stream, &mut tail).await {
                    results.push(Err(unreadable(stream, error)));
                }
            }
            // Of all that was sent nobody knows.
            Err(Unwritten::Unavailable(reason)) => {
                let lost = |_| Err(AppendError::Unavailable { stream, reason: reason.clone() });
                results.extend(group.appends.iter().map(lost));
            }
            Err(unwritten) => {
                results.extend(group.appends.first().map(|append| Err(unwritten.error(append, tail.last()))));
            }
        }
    }
    shared.recent.weigh(stream, &cell, &tail);
    results
}

fn unreadable(stream: StreamId, error: LogError) -> AppendError {
    AppendError::Unavailable { stream, reason: error.to_string() }
}

/// Commands that are written together.
struct Group<'a> {
    stream: StreamId,
    appends: Vec<&'a StreamAppend>,
    /// Revision of the first event.
    first: Revision,
}

/// Settles the first command that waits, or begins a group with it and takes in as many of the following as fit.
async fn plan<'a>(
    shared: &Shared,
    tail: &mut Tail,
    rest: &'a [StreamAppend],
    results: &mut Vec<Result<Appended, AppendError>>,
) -> Option<Group<'a>> {
    let (first_append, following) = rest.split_first()?;
    let first = match settle(shared, tail, first_append).await {
        Ok(Settled::Write(first)) => first,
        Ok(Settled::Replayed(appended)) => {
            results.push(Ok(appended));
            return None;
        }
        Err(error) => {
            results.push(Err(error));
            return None;
        }
    };
    let mut group = Group { stream: first_append.stream, appends: vec![first_append], first };
    let mut next = first.plus(first_append.events.len() as u64);
    let mut bytes: usize = first_append.events.iter().map(metadata::size).sum();
    for append in following {
        bytes += append.events.iter().map(metadata::size).sum::<usize>();
        let last = next.get().checked_sub(1).map(Revision::new);
        let fits = append.checked_bytes().is_ok()
            && bytes <= GROUP_BYTES_MAX
            && (append.expected == Expected::Any || append.expected == Expected::after(last))
            && tail.find(append.stream, append.command.id).is_none()
            && group.appends.iter().all(|one| one.command.id != append.command.id);
        if !fits {
            break;
        }
        next = next.plus(append.events.len() as u64);
        group.appends.push(append);
    }
    Some(group)
}

/// What is to be done about a command.
enum Settled {
    /// It is on record.
    Replayed(Appended),
    /// It is to be written from this revision on.
    Write(Revision),
}

async fn settle(shared: &Shared, tail: &mut Tail, append: &StreamAppend) -> Result<Settled, AppendError> {
    append.checked_bytes()?;
    let stream = append.stream;
    // A new stream needs no look: if the command is there, the stream is, and the server says so.
    let is_behind = match append.expected {
        Expected::NoStream => tail.is_doubtful(),
        Expected::Any => !tail.is_known(),
        Expected::Exact(revision) => !tail.is_known() || tail.last() < Some(revision),
    };
    if is_behind {
        reader::update(shared, stream, tail).await.map_err(|error| unreadable(stream, error))?;
    }
    if let Some((appended, fingerprint)) = tail.find(stream, append.command.id) {
        return if fingerprint == append.command.fingerprint {
            Ok(Settled::Replayed(appended))
        } else {
            Err(AppendError::CommandReused { command_id: append.command.id })
        };
    }
    if append.expected != Expected::Any && append.expected != Expected::after(tail.last()) {
        return Err(AppendError::Conflict { stream, expected: append.expected, actual: tail.last() });
    }
    Ok(Settled::Write(tail.last().map_or(Revision::new(0), |last| last.plus(1))))
}

/// Why a group was not written.
enum Unwritten {
    /// The stream is elsewhere.
    Moved,
    Overloaded,
    TooLarge,
    Unavailable(String),
}

impl Unwritten {
    fn error(&self, append: &StreamAppend, actual: Option<Revision>) -> AppendError {
        let stream = append.stream;
        match self {
            Self::Moved => AppendError::Conflict { stream, expected: append.expected, actual },
            Self::Overloaded => AppendError::Overloaded { retry_after: OVERLOADED_RETRY_AFTER },
            Self::TooLarge => {
                AppendError::Size { stream, events: append.events.len(), bytes: append.bytes() }
            }
            Self::Unavailable(reason) => AppendError::Unavailable { stream, reason: reason.clone() },
        }
    }
}

async fn write(shared: &Shared, tail: &mut Tail, group: &Group<'_>) -> Result<Vec<Appended>, Unwritten> {
    let events = encode(shared, group)?;
    let last = Revision::new((group.first.get() + events.len() as u64).saturating_sub(1));
    let position = match send(shared, group, events).await {
        Ok(written) if written.next_expected_version == last.get() => Position::new(written.position.commit),
        Ok(written) => {
            tail.forget();
            tracing::error!(stream = %group.stream, revision = written.next_expected_version,
                "the server numbered events otherwise than agreed: the stream was deleted there");
            return Err(Unwritten::Unavailable("the stream was deleted on the server".to_owned()));
        }
        Err(Failure::Conflict) => return Err(Unwritten::Moved),
        Err(Failure::Overloaded) => return Err(Unwritten::Overloaded),
        Err(Failure::TooLarge) => return Err(Unwritten::TooLarge),
        Err(failure) => {
            tail.forget();
            return Err(Unwritten::Unavailable(failure.reason()));
        }
    };
    shared.know(position);
    let mut first = group.first;
    let mut written = Vec::with_capacity(group.appends.len());
    for append in &group.appends {
        let last_revision = Revision::new((first.get() + append.events.len() as u64).saturating_sub(1));
        let appended = Appended {
            stream: group.stream,
            first_revision: first,
            last_revision,
            position,
            replayed: false,
        };
        tail.wrote(append, &appended);
        written.push(appended);
        first = last_revision.plus(1);
    }
    Ok(written)
}

fn encode(shared: &Shared, group: &Group<'_>) -> Result<Vec<EventData>, Unwritten> {
    let mut events = Vec::new();
    for append in &group.appends {
        for (index, event) in append.events.iter().enumerate() {
            let revision = group.first.plus(events.len() as u64);
            let data = metadata::encode(append, index, event, revision, shared.writer);
            events.push(data.map_err(|error| Unwritten::Unavailable(error.to_string()))?);
        }
    }
    Ok(events)
}

/// Sends one write, again and again while its answer is lost: the server knows it by the ids of its events.
async fn send(
    shared: &Shared,
    group: &Group<'_>,
    events: Vec<EventData>,
) -> Result<eventstore::WriteResult, Failure> {
    let expected = match group.first.get().checked_sub(1) {
        None => ExpectedRevision::NoStream,
        Some(last) => ExpectedRevision::Exact(last),
    };
    let options = AppendToStreamOptions::default()
        .expected_revision(expected)
        .requires_leader(true)
        .deadline(WRITE_TIMEOUT);
    let name = shared.names.name(group.stream);
    let mut backoff = Backoff::new(shared.config.patience);
    let mut was_lost = false;
    loop {
        let (name, options, events) = (name.clone(), options.clone(), events.clone());
        let append = |client: Client| async move { client.append_to_stream(name, &options, events).await };
        match shared.connection.once(WRITE_TIMEOUT, append).await {
            Err(Failure::Lost(reason)) => {
                was_lost = true;
                if !backoff.wait().await {
                    return Err(Failure::Lost(reason));
                }
            }
            // Of what was lost before nobody knows, so it cannot be called refused.
            Err(Failure::Overloaded) if was_lost => {
                if !backoff.wait().await {
                    return Err(Failure::Lost("the server is too busy".to_owned()));
                }
            }
            result => return result,
        }
    }
}

/// Runs of appends to one stream, in order.
pub(super) fn runs(appends: Vec<StreamAppend>) -> Vec<(StreamId, Arc<[StreamAppend]>)> {
    let mut runs: Vec<(StreamId, Vec<StreamAppend>)> = Vec::new();
    for append in appends {
        match runs.last_mut() {
            Some((stream, run)) if *stream == append.stream => run.push(append),
            _ => runs.push((append.stream, vec![append])),
        }
    }
    runs.into_iter().map(|(stream, run)| (stream, run.into())).collect()
}
