//! What the stream of an account's keys and devices demands of its events.

use crate::AccountId;
use crate::violation::{Rule, Violation};

use super::certificate::{device_certificate, recovery_certificate, verify};
use super::{DeviceEnrolled, DeviceEvent, DeviceSet, IdentityPublished};

/// The account that the event is about.
pub(super) fn id_of(event: &DeviceEvent) -> AccountId {
    match event {
        DeviceEvent::IdentityPublished(event) => event.account_id,
        DeviceEvent::Enrolled(event) => event.account_id,
        DeviceEvent::Renamed(event) => event.account_id,
        DeviceEvent::Revoked(event) => event.account_id,
    }
}

/// See [`crate::Aggregate::check`].
pub(super) fn check(state: &DeviceSet, event: &DeviceEvent) -> Result<(), Violation> {
    if let DeviceEvent::IdentityPublished(event) = event {
        begins(state, event)?;
        return certifies_recovery(event);
    }
    let account_id = Rule::Begins.some(state.account_id(), "device.identity_published first", event)?;
    Rule::Identity.equal(account_id, id_of(event))?;
    match event {
        DeviceEvent::IdentityPublished(_) => Ok(()),
        DeviceEvent::Enrolled(event) => certifies(state, event),
        DeviceEvent::Renamed(event) => {
            Rule::State.holds(state.is_active(event.device_id), "an active device", event)
        }
        DeviceEvent::Revoked(event) => {
            Rule::State.holds(state.is_active(event.device_id), "an active device", event)
        }
    }
}

/// The first identity, or one in the place of another: after a later reset, once every device of that is gone.
fn begins(state: &DeviceSet, event: &IdentityPublished) -> Result<(), Violation> {
    let Some(account_id) = state.account_id() else { return Ok(()) };
    Rule::Identity.equal(account_id, event.account_id)?;
    let is_later = event.after_reset.is_some_and(|place| !state.is_after_reset(place));
    Rule::State.holds(is_later, "a later reset of the password", &event.after_reset)?;
    Rule::State.holds(state.active_count() == 0, "no device of the identity before", &event.account_id)?;
    Rule::State.holds(!state.is_known(event.recovery_id), "a new recovery id", &event.recovery_id)
}

fn certifies_recovery(event: &IdentityPublished) -> Result<(), Violation> {
    let certificate = recovery_certificate(event.account_id, event.recovery_id, &event.recovery_key);
    let verified = verify(&event.identity_key, &certificate, &event.recovery_certificate);
    Rule::Signature.holds(verified.is_ok(), "the identity key's certificate", &event.recovery_id)
}

fn certifies(state: &DeviceSet, event: &DeviceEnrolled) -> Result<(), Violation> {
    let device_id = event.device_id;
    let taken = state.is_active(device_id) || state.is_revoked(device_id) || state.is_recovery(device_id);
    Rule::State.holds(!taken, "an id that no device or recovery key had", &device_id)?;
    let identity_key = Rule::Begins.some(state.identity_key(), "an identity key", &device_id)?;
    let certificate = device_certificate(event.account_id, device_id, &event.hpke_key, &event.verify_key);
    let verified = verify(&identity_key, &certificate, &event.certificate);
    Rule::Signature.holds(verified.is_ok(), "the identity key's certificate", &device_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::DeviceRenamed;
    use crate::device::tests::*;
    use crate::testing::{broken, doubled, dropped};

    fn renamed(account_id: AccountId) -> DeviceEvent {
        DeviceRenamed { account_id, device_id: PHONE }.into()
    }

    fn history() -> Vec<DeviceEvent> {
        let identity = Identity::new(1);
        vec![published(&identity), enrolled(&identity, PHONE), renamed(OWNER), revoked(PHONE)]
    }

    #[test]
    fn a_whole_history_passes() {
        assert_eq!(broken::<DeviceSet>(&history()), None);
    }

    #[test]
    fn what_is_doubled_is_refused_where_it_can_happen_once_only() {
        let rules = [Some(Rule::State), Some(Rule::State), None, Some(Rule::State)];
        for (at, rule) in rules.into_iter().enumerate() {
            let found = broken::<DeviceSet>(&doubled(&history(), at));
            assert_eq!(found, rule.map(|rule| (at + 1, rule)), "event {at}");
        }
    }

    #[test]
    fn what_is_missing_is_noticed_where_it_was_needed() {
        assert_eq!(broken::<DeviceSet>(&dropped(&history(), 0)), Some((0, Rule::Begins)));
        assert_eq!(broken::<DeviceSet>(&dropped(&history(), 1)), Some((1, Rule::State)));
    }

    #[test]
    fn nobody_elses_event_or_certificate_passes() {
        let identity = Identity::new(1);
        let foreign = [published(&identity), renamed(STRANGER)];
        assert_eq!(broken::<DeviceSet>(&foreign), Some((1, Rule::Identity)));
        let forged = [published(&identity), enrolled(&Identity::new(2), LAPTOP)];
        assert_eq!(broken::<DeviceSet>(&forged), Some((1, Rule::Signature)));
    }

    #[test]
    fn an_identity_takes_the_place_of_another_after_a_later_reset_and_once_its_devices_are_gone() {
        let (first, second) = (Identity::new(1), Identity::new(2));
        let recovery_id = crate::RecipientId::from_bytes([29; 16]);
        let DeviceEvent::IdentityPublished(mut event) = published(&second) else { panic!() };
        let certificate = recovery_certificate(OWNER, recovery_id, &event.recovery_key);
        (event.recovery_id, event.recovery_certificate) = (recovery_id, second.sign(&certificate));
        let with = |events: &[DeviceEvent], after_reset| {
            let last = DeviceEvent::from(IdentityPublished { after_reset, ..event.clone() });
            broken::<DeviceSet>(&[events, &[last]].concat())
        };
        let before = [published(&first), enrolled(&first, PHONE), revoked(PHONE)];
        assert_eq!(with(&before, Some(7)), None);
        assert_eq!(with(&before, None), Some((3, Rule::State)));
        assert_eq!(with(&before[..2], Some(7)), Some((2, Rule::State)));
        let DeviceEvent::IdentityPublished(again) = published(&second) else { panic!() };
        let again = DeviceEvent::from(IdentityPublished { after_reset: Some(7), ..again });
        assert_eq!(broken::<DeviceSet>(&[&before[..], &[again]].concat()), Some((3, Rule::State)));
    }

    #[test]
    fn a_recovery_key_that_the_identity_did_not_certify_is_refused() {
        let DeviceEvent::IdentityPublished(mut one) = published(&Identity::new(1)) else { panic!() };
        one.recovery_key = crate::HpkeKey::from_bytes([21; 32]);
        assert_eq!(broken::<DeviceSet>(&[one.into()]), Some((0, Rule::Signature)));
    }
}
