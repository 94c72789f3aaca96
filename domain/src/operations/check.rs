//! What the stream of a projection, a reaction or the signing key demands of its events.

use crate::violation::{Rule, Violation};

use super::{Operations, OperationsEvent, OperationsId};

/// The stream that the event belongs in.
pub(super) fn id_of(event: &OperationsEvent) -> OperationsId {
    match event {
        OperationsEvent::ParkedStreamRetried(event) => OperationsId::of(&event.projection),
        OperationsEvent::ParkedStreamDiscarded(event) => OperationsId::of(&event.projection),
        OperationsEvent::ParkedEventRetried(event) => OperationsId::of(&event.reaction),
        OperationsEvent::ParkedEventDiscarded(event) => OperationsId::of(&event.reaction),
        OperationsEvent::SigningKeyRotated(_) => OperationsId::signing_key(),
    }
}

/// See [`crate::Aggregate::check`].
pub(super) fn check(state: &Operations, event: &OperationsEvent) -> Result<(), Violation> {
    let open = |position| {
        Rule::State.holds(!state.is_discarded(position), "an event that was not discarded before", &position)
    };
    match event {
        OperationsEvent::ParkedStreamRetried(event) => open(event.position),
        OperationsEvent::ParkedStreamDiscarded(event) => open(event.position),
        // Decided as often as operators like; whoever decides it twice gives one command.
        OperationsEvent::ParkedEventRetried(_) | OperationsEvent::ParkedEventDiscarded(_) => Ok(()),
        OperationsEvent::SigningKeyRotated(event) => {
            let last = state.signing_key().unwrap_or(1);
            Rule::Number.holds(event.version > last, "a version later than the last", &(last, event.version))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;
    use crate::operations::{ParkedStreamDiscarded, ParkedStreamRetried, SigningKeyRotated};
    use crate::testing::broken;

    const NAMED: Digest = Digest::from_bytes([1; 32]);

    fn retried(position: u64) -> OperationsEvent {
        ParkedStreamRetried { projection: NAMED, stream: NAMED, position }.into()
    }

    fn discarded(position: u64) -> OperationsEvent {
        ParkedStreamDiscarded { projection: NAMED, stream: NAMED, position }.into()
    }

    fn rotated(version: u32) -> OperationsEvent {
        SigningKeyRotated { version, compromised: false }.into()
    }

    #[test]
    fn what_was_discarded_is_neither_tried_nor_discarded_again() {
        let whole = [retried(1), retried(1), discarded(1), discarded(2)];
        assert_eq!(broken::<Operations>(&whole), None);
        assert_eq!(broken::<Operations>(&[discarded(1), discarded(1)]), Some((1, Rule::State)));
        assert_eq!(broken::<Operations>(&[discarded(1), retried(1)]), Some((1, Rule::State)));
    }

    #[test]
    fn versions_of_the_signing_key_rise() {
        assert_eq!(broken::<Operations>(&[rotated(2), rotated(3)]), None);
        assert_eq!(broken::<Operations>(&[rotated(2), rotated(2)]), Some((1, Rule::Number)));
        assert_eq!(broken::<Operations>(&[rotated(1)]), Some((0, Rule::Number)));
    }

    #[test]
    fn each_event_belongs_in_the_stream_of_what_it_names() {
        assert_eq!(id_of(&retried(1)), OperationsId::of(&NAMED));
        assert_eq!(id_of(&rotated(2)), OperationsId::signing_key());
    }
}
