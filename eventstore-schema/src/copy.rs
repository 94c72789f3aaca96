//! Copies a log into another engine, command by command in the order of the whole log, so that everything above finds what
//! it found before: streams, revisions, ids, hashes, commands. Positions are the engine's own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::Digest;
use futures_util::StreamExt;
use futures_util::stream;

use crate::envelope::{CommandRef, Position, RecordedEvent, Revision, StreamId, record_hash};
use crate::log::{AppendError, EventLog, Expected, LogError, NewEvent, ReadFilter, StreamAppend, may_go_on};
use crate::sealing::IMPLIED;

/// Events read at once: more than twice the largest command.
const PAGE_EVENTS: usize = 2 * StreamAppend::EVENTS_MAX + 1;
/// Most events, and bytes, handed to the other log at once.
const BATCH_EVENTS: usize = 1_024;
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Commands looked up at once.
const LOOKUPS: usize = 64;
/// How often a batch is tried while the other log is overloaded or cannot be reached, and the pause in between.
const ATTEMPTS_MAX: u32 = 20;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(500);

/// Why a log was not copied whole. What was copied is right, and copying again goes on behind it, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// One of the two cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The other log did not take a command.
    #[error("the command at position {position} could not be appended")]
    Append {
        /// Where its last event stands in the log that is copied.
        position: Position,
        /// Why.
        #[source]
        source: AppendError,
    },
    /// The other log holds something else.
    #[error("the other log is not empty, and what it holds is no copy of this one: {stream} differs")]
    Differs {
        /// The first stream that does.
        stream: StreamId,
    },
    /// A command was appended while an earlier one was not: the order is lost there.
    #[error(
        "the other log has the command at position {position} before an earlier one: begin anew with an empty log"
    )]
    Disordered {
        /// Where its last event stands in the log that is copied.
        position: Position,
    },
    /// The event's hash is not that of its content.
    #[error("the event at position {position} is not what was recorded: its hash differs")]
    Altered {
        /// Where it stands.
        position: Position,
    },
    /// A newer release has written the event.
    #[error("the event at position {position}, `{event_type}`, is not in this release's catalogue")]
    Unknown {
        /// Where it stands.
        position: Position,
        /// Its name.
        event_type: String,
    },
}

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Events that the other log holds now.
    pub events: u64,
    /// Where events that were asked for stand in the other log.
    pub moved: BTreeMap<Position, Position>,
}

/// Copies everything of `from` that `to` does not hold yet, until there is no more. Nobody else may write to `to`. `marks`
/// are positions whose place in the other log is wanted: of the event there, or the last one before.
///
/// Repeating it after a failure is safe: commands that are there already are recognised.
///
/// # Errors
/// See [`CopyError`].
pub async fn copy(
    from: &dyn EventLog,
    to: &dyn EventLog,
    marks: &BTreeSet<Position>,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Copied, CopyError> {
    refuse_other(from, to).await?;
    let mut copied = Copied::default();
    let mut marks = marks.iter().copied().peekable();
    let mut last: Option<RecordedEvent> = None;
    loop {
        let after = last.as_ref().map(|event| event.position);
        let mut page = from.read_all(after, PAGE_EVENTS, &ReadFilter::all()).await?;
        if may_go_on(&page, PAGE_EVENTS) {
            drop_incomplete(&mut page);
        }
        if page.is_empty() {
            break;
        }
        for batch in batches(commands(from, &page).await?) {
            append(to, batch).await?;
        }
        for event in page {
            while marks.peek().is_some_and(|mark| *mark < event.position) {
                place(to, &mut marks, last.as_ref(), &mut copied.moved).await?;
            }
            copied.events += 1;
            last = Some(event);
        }
        report(copied.events);
    }
    while marks.peek().is_some() {
        place(to, &mut marks, last.as_ref(), &mut copied.moved).await?;
    }
    Ok(copied)
}

/// A log that holds anything has to begin like the one that is copied.
async fn refuse_other(from: &dyn EventLog, to: &dyn EventLog) -> Result<(), CopyError> {
    let theirs = to.read_all(None, 1, &ReadFilter::all()).await?;
    let Some(theirs) = theirs.first() else { return Ok(()) };
    let ours = from.read_all(None, 1, &ReadFilter::all()).await?;
    if ours.first().is_some_and(|ours| ours.hash == theirs.hash) {
        Ok(())
    } else {
        Err(CopyError::Differs { stream: theirs.stream })
    }
}

/// The last command of a full page may go on behind it.
fn drop_incomplete(page: &mut Vec<RecordedEvent>) {
    if let Some(last) = page.last().map(|event| event.command_id) {
        let complete = page.iter().rposition(|event| event.command_id != last).map_or(0, |index| index + 1);
        page.truncate(complete);
    }
}

/// Notes where the next mark's event stands in the other log.
async fn place(
    to: &dyn EventLog,
    marks: &mut impl Iterator<Item = Position>,
    event: Option<&RecordedEvent>,
    moved: &mut BTreeMap<Position, Position>,
) -> Result<(), CopyError> {
    let (Some(mark), Some(event)) = (marks.next(), event) else { return Ok(()) };
    let found = to.read_stream(event.stream, event.revision, 1).await?;
    match found.first() {
        Some(there) if there.hash == event.hash => {
            moved.insert(mark, there.position);
            Ok(())
        }
        _ => Err(CopyError::Differs { stream: event.stream }),
    }
}

/// A command as it goes into the other log, and where it stands in this one.
struct Command {
    append: StreamAppend,
    first: Revision,
    position: Position,
}

async fn commands(from: &dyn EventLog, page: &[RecordedEvent]) -> Result<Vec<Command>, CopyError> {
    let groups = page.chunk_by(|one, next| one.command_id == next.command_id && one.stream == next.stream);
    let found = stream::iter(groups).map(|events| command(from, events)).buffered(LOOKUPS);
    let found: Vec<_> = found.collect().await;
    found.into_iter().filter_map(Result::transpose).collect()
}

async fn command(from: &dyn EventLog, events: &[RecordedEvent]) -> Result<Option<Command>, CopyError> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(None) };
    let (stream, id) = (first.stream, first.command_id);
    // An engine that has forgotten the command recognised it no more: the other will not either.
    let fingerprint = from.find_command(stream, id).await?.map_or(IMPLIED, |(_, fingerprint)| fingerprint);
    let append = StreamAppend {
        stream,
        expected: Expected::after(first.revision.get().checked_sub(1).map(Revision::new)),
        command: CommandRef { id, fingerprint },
        origin: first.origin,
        events: events.iter().map(new_event).collect::<Result<_, _>>()?,
        conditions: Vec::new(),
    };
    for (new, recorded) in append.events.iter().zip(events) {
        let hash: Digest = record_hash(stream, recorded.revision, new, id, &append.origin);
        if hash != recorded.hash {
            return Err(CopyError::Altered { position: recorded.position });
        }
    }
    Ok(Some(Command { append, first: first.revision, position: last.position }))
}

fn new_event(event: &RecordedEvent) -> Result<NewEvent, CopyError> {
    let unknown = || CopyError::Unknown { position: event.position, event_type: event.event_type.clone() };
    NewEvent::of(event).ok_or_else(unknown)
}

fn batches(commands: Vec<Command>) -> Vec<Vec<Command>> {
    let mut batches = Vec::new();
    let mut batch: Vec<Command> = Vec::new();
    let (mut events, mut bytes) = (0, 0);
    for command in commands {
        events += command.append.events.len();
        bytes += command.append.bytes();
        if !batch.is_empty() && (events > BATCH_EVENTS || bytes > BATCH_BYTES) {
            batches.push(std::mem::take(&mut batch));
            (events, bytes) = (command.append.events.len(), command.append.bytes());
        }
        batch.push(command);
    }
    batches.push(batch);
    batches
}

/// Appends a batch, again while the other log cannot take it.
async fn append(to: &dyn EventLog, batch: Vec<Command>) -> Result<(), CopyError> {
    let mut attempt = 1;
    loop {
        let results = to.append_in_order(batch.iter().map(|command| command.append.clone()).collect()).await;
        let mut failed = None;
        for (command, result) in batch.iter().zip(results) {
            match result {
                Ok(appended) if appended.first_revision != command.first => {
                    return Err(CopyError::Differs { stream: command.append.stream });
                }
                Ok(appended) if failed.is_some() && !appended.replayed => {
                    return Err(CopyError::Disordered { position: command.position });
                }
                Ok(_) => {}
                Err(AppendError::CommandReused { .. }) => {
                    return Err(CopyError::Differs { stream: command.append.stream });
                }
                // An answer that was lost says nothing yet.
                Err(AppendError::Unavailable { .. }) if failed.is_none() && is_there(to, command).await? => {}
                Err(source) if failed.is_none() => {
                    failed = Some(CopyError::Append { position: command.position, source });
                }
                Err(_) => {}
            }
        }
        match failed {
            None => return Ok(()),
            Some(CopyError::Append {
                source:
                    AppendError::Overloaded { .. }
                    | AppendError::Unavailable { .. }
                    | AppendError::Unfounded { .. }
                    | AppendError::Outdated { .. },
                ..
            }) if attempt < ATTEMPTS_MAX => {
                attempt += 1;
                tokio::time::sleep(ATTEMPT_PAUSE).await;
            }
            Some(error) => return Err(error),
        }
    }
}

async fn is_there(log: &dyn EventLog, command: &Command) -> Result<bool, LogError> {
    Ok(log.find_command(command.append.stream, command.append.command.id).await?.is_some())
}
