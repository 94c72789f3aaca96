//! Rename a device.

use crate::DeviceId;
use crate::aggregate::{Context, Draft};
use crate::device::{DeviceEvent, DeviceLabel, DeviceRenamed, DeviceSet};
use crate::rejection::Rejection;
use crate::text::check_name;

/// Gives an active device another label. Only the account itself may.
#[derive(Clone, Debug)]
pub struct RenameDevice {
    /// The device.
    pub device_id: DeviceId,
    /// The new label.
    pub label: DeviceLabel,
}

impl RenameDevice {
    pub(super) fn decide(
        &self,
        state: &DeviceSet,
        context: &Context,
    ) -> Result<Vec<Draft<DeviceEvent>>, Rejection> {
        let account_id = state.owner(context)?;
        state.check_active(self.device_id)?;
        check_name("label", &self.label.name)?;
        let renamed = DeviceRenamed { account_id, device_id: self.device_id };
        Ok(vec![Draft::sealed(renamed, self.label.clone(), account_id)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::{Identity, LAPTOP, OWNER, PHONE, STRANGER, enrolled, published, revoked};
    use crate::testing::{by, given, when};

    fn rename(device_id: DeviceId, name: &str) -> RenameDevice {
        RenameDevice { device_id, label: DeviceLabel { name: name.into() } }
    }

    #[test]
    fn an_active_device_is_renamed_by_its_account() {
        let identity = Identity::new(1);
        let mut events = vec![published(&identity), enrolled(&identity, PHONE)];
        let state = given::<DeviceSet>(events.clone());
        let renamed = DeviceRenamed { account_id: OWNER, device_id: PHONE };
        assert_eq!(when(&state, rename(PHONE, "work"), &by(OWNER)), Ok(vec![renamed.into()]));
        assert_eq!(when(&state, rename(PHONE, "work"), &by(STRANGER)), Err(Rejection::DeviceNotFound));
        assert_eq!(when(&state, rename(LAPTOP, "work"), &by(OWNER)), Err(Rejection::DeviceNotFound));
        let empty = when(&state, rename(PHONE, ""), &by(OWNER));
        assert!(matches!(empty, Err(Rejection::InvalidField { field: "label", .. })));
        events.push(revoked(PHONE));
        let state = given::<DeviceSet>(events);
        assert_eq!(when(&state, rename(PHONE, "work"), &by(OWNER)), Err(Rejection::DeviceRevoked));
    }
}
