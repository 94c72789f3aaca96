//! From drafts to events as they are recorded: ids given, open parts encoded, personal parts sealed.

use domain::{Draft, EventGroup};
use eventstore_schema::sealing::IMPLIED;
use eventstore_schema::{
    CommandRef, FingerprintKeys, KeyRef, NewEvent, Origin, SealError, SealHeader, StreamId, catalogue,
};

use super::{ExecuteError, Shared};
use crate::request::CommandIdentity;

/// Prepares the events of one command, and what the log keeps to recognise it by.
pub(super) async fn prepare<E: EventGroup>(
    shared: &Shared,
    stream: StreamId,
    origin: &Origin,
    command: CommandIdentity,
    drafts: &[Draft<E>],
) -> Result<(CommandRef, Vec<NewEvent>), ExecuteError> {
    let mut events = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let (event_type, version) = (draft.event.name(), draft.event.version());
        let payload = catalogue::encode(&draft.event)
            .map_err(|error| ExecuteError::Corrupt { stream, reason: error.to_string() })?;
        let event_id = shared.clock.new_id();
        let mut event = NewEvent { event_id, event_type, version, payload, key_ref: None, sealed: None };
        if let Some(plain) = &draft.plain {
            let key_ref = KeyRef::of(origin.organization_id, plain);
            let event_type = event_type.to_owned();
            let header = SealHeader { event_id, event_type, version, stream, key_ref };
            let sealed = shared.sealer.seal(&header, &plain.record).await;
            event.sealed = Some(sealed.map_err(|error| seal_error(&error))?);
            event.key_ref = Some(key_ref);
        }
        events.push(event);
    }
    let fingerprint = match command.content.hash() {
        None => IMPLIED,
        Some(content) => {
            let keys = FingerprintKeys::of(origin, events.iter().find_map(|event| event.key_ref));
            let fingerprint = shared.sealer.fingerprint(&keys, command.id, content).await;
            fingerprint.map_err(|error| seal_error(&error))?
        }
    };
    Ok((CommandRef { id: command.id, fingerprint }, events))
}

pub(super) fn seal_error(error: &SealError) -> ExecuteError {
    if error.is_unavailable() {
        ExecuteError::Unavailable { reason: error.to_string() }
    } else {
        ExecuteError::Seal { reason: error.to_string() }
    }
}
