//! What a session's own stream demands of its events.

use crate::violation::{Rule, Violation};
use crate::{AccountId, SessionId};

use super::state::Started;
use super::{Session, SessionEvent};

/// The session that the event is about.
pub(super) fn id_of(event: &SessionEvent) -> SessionId {
    identity_of(event).0
}

fn identity_of(event: &SessionEvent) -> (SessionId, AccountId) {
    match event {
        SessionEvent::Started(event) => (event.session_id, event.account_id),
        SessionEvent::Refreshed(event) => (event.session_id, event.account_id),
        SessionEvent::DeviceBound(event) => (event.session_id, event.account_id),
        SessionEvent::Revoked(event) => (event.session_id, event.account_id),
    }
}

/// See [`crate::Aggregate::check`].
pub(super) fn check(state: &Session, event: &SessionEvent) -> Result<(), Violation> {
    if let SessionEvent::Started(_) = event {
        return Rule::Begins.equal(None, state.session_id());
    }
    let session: Started = Rule::Begins.some(state.started().ok(), "session.started first", event)?;
    Rule::Identity.equal((session.session_id, session.account_id), identity_of(event))?;
    Rule::State.holds(state.revoked().is_none(), "a session that was not revoked", event)?;
    match event {
        SessionEvent::Started(_) | SessionEvent::Revoked(_) => Ok(()),
        SessionEvent::Refreshed(event) => {
            Rule::Number.equal(session.rotation.saturating_add(1), event.rotation)?;
            let is_its_own = event.signed_by.is_none() || event.signed_by == session.device_id;
            Rule::Identity.holds(is_its_own, "a signature by the session's device", event)
        }
        SessionEvent::DeviceBound(event) => {
            Rule::State.holds(session.device_id.is_none(), "a session that is bound to no device yet", event)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeviceId;
    use crate::session::tests::*;
    use crate::session::{SessionDeviceBound, SessionRevocationCause};
    use crate::testing::{broken, doubled, dropped, swapped};

    fn bound(account_id: AccountId) -> SessionEvent {
        SessionDeviceBound { session_id: SESSION, account_id, device_id: DeviceId::from_bytes([1; 16]) }
            .into()
    }

    fn history() -> Vec<SessionEvent> {
        vec![started(), refreshed(1), bound(ANN), refreshed(2), revoked(SessionRevocationCause::Logout)]
    }

    #[test]
    fn a_whole_history_passes() {
        assert_eq!(broken::<Session>(&history()), None);
    }

    #[test]
    fn nothing_happens_twice() {
        let rules = [Rule::Begins, Rule::Number, Rule::State, Rule::Number, Rule::State];
        for (at, rule) in rules.into_iter().enumerate() {
            assert_eq!(broken::<Session>(&doubled(&history(), at)), Some((at + 1, rule)));
        }
    }

    #[test]
    fn what_is_missing_or_out_of_order_is_noticed() {
        assert_eq!(broken::<Session>(&dropped(&history(), 0)), Some((0, Rule::Begins)));
        assert_eq!(broken::<Session>(&dropped(&history(), 1)), Some((2, Rule::Number)));
        assert_eq!(broken::<Session>(&swapped(&history(), 3)), Some((4, Rule::State)));
    }

    #[test]
    fn no_other_device_signs() {
        let by = |byte| exchanged(1, Some(DeviceId::from_bytes([byte; 16])));
        assert_eq!(broken::<Session>(&[started(), bound(ANN), by(1)]), None);
        assert_eq!(broken::<Session>(&[started(), bound(ANN), by(2)]), Some((2, Rule::Identity)));
        assert_eq!(broken::<Session>(&[started(), by(1)]), Some((1, Rule::Identity)));
    }

    #[test]
    fn nobody_elses_event_passes() {
        assert_eq!(broken::<Session>(&[started(), bound(BEN)]), Some((1, Rule::Identity)));
    }
}
