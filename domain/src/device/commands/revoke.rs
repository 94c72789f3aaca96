//! Revoke a device.

use crate::DeviceId;
use crate::aggregate::{Context, Draft};
use crate::device::{DeviceEvent, DeviceRevocationCause, DeviceRevoked, DeviceSet};
use crate::rejection::Rejection;

/// Revokes a device, for good. Only the account itself may. Revoking it again does nothing.
#[derive(Clone, Debug)]
pub struct RevokeDevice {
    /// The device.
    pub device_id: DeviceId,
    /// Why.
    pub cause: DeviceRevocationCause,
}

impl RevokeDevice {
    pub(super) fn decide(
        &self,
        state: &DeviceSet,
        context: &Context,
    ) -> Result<Vec<Draft<DeviceEvent>>, Rejection> {
        let account_id = state.owner(context)?;
        if self.cause == DeviceRevocationCause::IdentityReplaced {
            return Err(Rejection::InvalidField { field: "cause", reason: "must be requested or lost" });
        }
        if state.is_revoked(self.device_id) {
            return Ok(Vec::new());
        }
        state.check_active(self.device_id)?;
        Ok(vec![Draft::open(DeviceRevoked { account_id, device_id: self.device_id, cause: self.cause })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::{Identity, LAPTOP, OWNER, PHONE, STRANGER, enrolled, published, revoked};
    use crate::testing::{by, given, happen, when};

    fn revoke(device_id: DeviceId) -> RevokeDevice {
        RevokeDevice { device_id, cause: DeviceRevocationCause::Lost }
    }

    #[test]
    fn a_revoked_device_is_no_recipient_and_revoking_again_does_nothing() {
        let identity = Identity::new(1);
        let mut state = given::<DeviceSet>([published(&identity), enrolled(&identity, PHONE)]);
        assert_eq!(happen(&mut state, revoke(PHONE), &by(OWNER)), Ok(vec![revoked(PHONE)]));
        assert!(!state.is_active(PHONE) && state.is_revoked(PHONE));
        assert_eq!(state.verify_key(PHONE), None);
        assert_eq!(state.active_recipients().len(), 1);
        assert_eq!(when(&state, revoke(PHONE), &by(OWNER)), Ok(vec![]));
    }

    #[test]
    fn nobody_says_that_an_identity_was_replaced() {
        let identity = Identity::new(1);
        let state = given::<DeviceSet>([published(&identity), enrolled(&identity, PHONE)]);
        let command = RevokeDevice { device_id: PHONE, cause: DeviceRevocationCause::IdentityReplaced };
        let answer = when(&state, command, &by(OWNER));
        assert!(matches!(answer, Err(Rejection::InvalidField { field: "cause", .. })));
    }

    #[test]
    fn others_and_unknown_devices_are_refused() {
        let identity = Identity::new(1);
        let state = given::<DeviceSet>([published(&identity), enrolled(&identity, PHONE)]);
        assert_eq!(when(&state, revoke(PHONE), &by(STRANGER)), Err(Rejection::DeviceNotFound));
        assert_eq!(when(&state, revoke(LAPTOP), &by(OWNER)), Err(Rejection::DeviceNotFound));
    }
}
