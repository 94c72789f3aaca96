//! What a command did the first time, read back from the log.

use domain::Aggregate;
use eventstore_schema::{Appended, CommandRef, StreamId};

use super::cached::decode_event;
use super::{ExecuteError, Executed, Shared};

/// The first result of a command that is on record; `otherwise` for one that is not.
pub(super) async fn recorded_or<A: Aggregate>(
    shared: &Shared,
    stream: StreamId,
    command: CommandRef,
    otherwise: Result<Executed<A::Event>, ExecuteError>,
) -> Result<Executed<A::Event>, ExecuteError> {
    let found = shared.log.find_command(stream, command.id).await;
    match found.map_err(|error| ExecuteError::from_log(stream, &error))? {
        None => otherwise,
        Some((appended, fingerprint)) if fingerprint == command.fingerprint => {
            replay::<A>(shared, command, appended).await
        }
        Some(_) => Err(ExecuteError::CommandReused { command_id: command.id }),
    }
}

/// Answers as the first time.
pub(super) async fn replay<A: Aggregate>(
    shared: &Shared,
    command: CommandRef,
    appended: Appended,
) -> Result<Executed<A::Event>, ExecuteError> {
    let stream = appended.stream;
    if stream.category != A::CATEGORY {
        return Err(ExecuteError::CommandReused { command_id: command.id });
    }
    let span = appended.last_revision.get().saturating_sub(appended.first_revision.get());
    let count = usize::try_from(span).unwrap_or(usize::MAX).saturating_add(1);
    let recorded = shared
        .log
        .read_stream(stream, appended.first_revision, count)
        .await
        .map_err(|error| ExecuteError::from_log(stream, &error))?;
    let events = recorded.iter().map(decode_event::<A>).collect::<Result<Vec<_>, _>>()?;
    Ok(Executed {
        stream,
        revision: appended.last_revision,
        position: appended.position,
        replayed: true,
        events,
    })
}
