//! What a command did the first time, read back from the log.

use domain::{Aggregate, Digest};
use eventstore_schema::sealing::{IMPLIED, Recognition};
use eventstore_schema::{Appended, FingerprintKeys, RecordedEvent, StreamId};

use super::cached::decode_event;
use super::{ExecuteError, Executed, Shared, seal};
use crate::request::CommandIdentity;

/// The first result of a command that is on record; `otherwise` for one that is not.
pub(super) async fn recorded_or<A: Aggregate>(
    shared: &Shared,
    stream: StreamId,
    command: CommandIdentity,
    otherwise: Result<Executed<A::Event>, ExecuteError>,
) -> Result<Executed<A::Event>, ExecuteError> {
    let found = shared.log.find_command(stream, command.id).await;
    let found = found.map_err(|error| ExecuteError::from_log(stream, &error))?;
    let Some((appended, fingerprint)) = found else { return otherwise };
    let events = read(shared, appended).await?;
    if !is_same(shared, command, fingerprint, &events).await? {
        return Err(ExecuteError::CommandReused { command_id: command.id });
    }
    answer::<A>(command, appended, &events)
}

/// Answers as the first time: a command whose fingerprint is that of `command`.
pub(super) async fn replay<A: Aggregate>(
    shared: &Shared,
    command: CommandIdentity,
    appended: Appended,
) -> Result<Executed<A::Event>, ExecuteError> {
    let events = read(shared, appended).await?;
    answer::<A>(command, appended, &events)
}

/// Whether what is on record is what is asked now. Nobody can tell of what was erased: that is never the same.
async fn is_same(
    shared: &Shared,
    command: CommandIdentity,
    fingerprint: Digest,
    events: &[RecordedEvent],
) -> Result<bool, ExecuteError> {
    let Some(content) = command.content.hash() else { return Ok(fingerprint == IMPLIED) };
    let Some(first) = events.first() else { return Ok(false) };
    let keys = FingerprintKeys::of(&first.origin, events.iter().find_map(|event| event.key_ref));
    let recognised = shared.sealer.recognise(&keys, command.id, content, &fingerprint).await;
    match recognised.map_err(|error| seal::seal_error(&error))? {
        Recognition::Same => Ok(true),
        Recognition::Other | Recognition::Erased => Ok(false),
    }
}

/// The events that a command made.
async fn read(shared: &Shared, appended: Appended) -> Result<Vec<RecordedEvent>, ExecuteError> {
    let span = appended.last_revision.get().saturating_sub(appended.first_revision.get());
    let count = usize::try_from(span).unwrap_or(usize::MAX).saturating_add(1);
    let read = shared.log.read_stream(appended.stream, appended.first_revision, count).await;
    read.map_err(|error| ExecuteError::from_log(appended.stream, &error))
}

fn answer<A: Aggregate>(
    command: CommandIdentity,
    appended: Appended,
    events: &[RecordedEvent],
) -> Result<Executed<A::Event>, ExecuteError> {
    let stream = appended.stream;
    if stream.category != A::CATEGORY {
        return Err(ExecuteError::CommandReused { command_id: command.id });
    }
    Ok(Executed {
        stream,
        revision: appended.last_revision,
        position: appended.position,
        replayed: true,
        events: events.iter().map(decode_event::<A>).collect::<Result<_, _>>()?,
    })
}
