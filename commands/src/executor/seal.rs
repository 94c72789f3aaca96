//! From drafts to events as they are recorded: ids given, open parts encoded, personal parts sealed.

use domain::{Draft, EventGroup, OrganizationId};
use eventstore_schema::{KeyRef, NewEvent, SealError, SealHeader, StreamId, Tenant, catalogue};

use super::{ExecuteError, Shared};

/// Prepares the events of one command.
pub(super) async fn prepare<E: EventGroup>(
    shared: &Shared,
    stream: StreamId,
    organization_id: Option<OrganizationId>,
    drafts: &[Draft<E>],
) -> Result<Vec<NewEvent>, ExecuteError> {
    let mut events = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let (event_type, version) = (draft.event.name(), draft.event.version());
        let payload = catalogue::encode(&draft.event)
            .map_err(|error| ExecuteError::Corrupt { stream, reason: error.to_string() })?;
        let event_id = shared.clock.new_id();
        let mut event = NewEvent { event_id, event_type, version, payload, key_ref: None, sealed: None };
        if let Some(plain) = &draft.plain {
            let tenant = Tenant::from(organization_id);
            let key_ref = KeyRef { tenant, subject: plain.subject, period: plain.period };
            let event_type = event_type.to_owned();
            let header = SealHeader { event_id, event_type, version, stream, key_ref };
            let sealed = shared.sealer.seal(&header, &plain.record).await;
            event.sealed = Some(sealed.map_err(|error| seal_error(&error))?);
            event.key_ref = Some(key_ref);
        }
        events.push(event);
    }
    Ok(events)
}

fn seal_error(error: &SealError) -> ExecuteError {
    if error.is_unavailable() {
        ExecuteError::Unavailable { reason: error.to_string() }
    } else {
        ExecuteError::Seal { reason: error.to_string() }
    }
}
