//! Enroll a device.

use crate::aggregate::{Context, Draft};
use crate::device::certificate::{check_hpke_key, check_verify_key, device_certificate, verify};
use crate::device::{DeviceEnrolled, DeviceEvent, DeviceLabel, DeviceSet};
use crate::limits::ACCOUNT_DEVICES_MAX;
use crate::rejection::Rejection;
use crate::text::check_name;
use crate::{DeviceId, HpkeKey, Signature, VerifyKey};

/// Adds a device that the identity key certifies. Only the account itself may; an id that was revoked never comes back.
#[derive(Clone, Debug)]
pub struct EnrollDevice {
    /// The device.
    pub device_id: DeviceId,
    /// To wrap for it.
    pub hpke_key: HpkeKey,
    /// To verify what it signs.
    pub verify_key: VerifyKey,
    /// Signature over the device certificate.
    pub certificate: Signature,
    /// Its label.
    pub label: DeviceLabel,
}

impl EnrollDevice {
    pub(super) fn decide(
        &self,
        state: &DeviceSet,
        context: &Context,
    ) -> Result<Vec<Draft<DeviceEvent>>, Rejection> {
        let account_id = state.owner(context)?;
        let identity_key = state.identity_key().ok_or(Rejection::IdentityMissing)?;
        if state.is_revoked(self.device_id) {
            return Err(Rejection::DeviceRevoked);
        }
        if state.is_active(self.device_id) || state.is_recovery(self.device_id) {
            return Err(Rejection::DeviceExists);
        }
        if state.active_count() >= ACCOUNT_DEVICES_MAX {
            return Err(Rejection::DeviceLimit { limit: ACCOUNT_DEVICES_MAX });
        }
        check_name("label", &self.label.name)?;
        check_hpke_key("hpke_key", &self.hpke_key)?;
        check_verify_key("verify_key", &self.verify_key)?;
        let certificate = device_certificate(account_id, self.device_id, &self.hpke_key, &self.verify_key);
        verify(&identity_key, &certificate, &self.certificate)?;
        let enrolled = DeviceEnrolled {
            account_id,
            device_id: self.device_id,
            hpke_key: self.hpke_key,
            verify_key: self.verify_key,
            certificate: self.certificate,
        };
        Ok(vec![Draft::sealed(enrolled, self.label.clone(), account_id)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecipientId;
    use crate::device::tests::{
        Identity, LAPTOP, OWNER, PHONE, RECOVERY, STRANGER, enrolled, published, revoked,
    };
    use crate::testing::{by, given, when};

    #[test]
    fn a_certified_device_becomes_a_recipient() {
        let identity = Identity::new(1);
        let state = given::<DeviceSet>([published(&identity)]);
        let events = when(&state, identity.device(PHONE), &by(OWNER));
        assert_eq!(events, Ok(vec![enrolled(&identity, PHONE)]));
        let state = given::<DeviceSet>([published(&identity), enrolled(&identity, PHONE)]);
        assert!(state.is_active(PHONE));
        assert_eq!(state.verify_key(PHONE), Some(identity.device(PHONE).verify_key));
        let recipients: Vec<_> = state.active_recipients().iter().map(|one| one.recipient_id).collect();
        assert_eq!(recipients, [RECOVERY, PHONE.into()]);
    }

    #[test]
    fn without_identity_or_by_others_nothing_is_enrolled() {
        let identity = Identity::new(1);
        let nothing = DeviceSet::default();
        assert_eq!(when(&nothing, identity.device(PHONE), &by(OWNER)), Err(Rejection::IdentityMissing));
        let state = given::<DeviceSet>([published(&identity)]);
        assert_eq!(when(&state, identity.device(PHONE), &by(STRANGER)), Err(Rejection::DeviceNotFound));
    }

    #[test]
    fn a_certificate_for_other_keys_or_by_another_identity_is_refused() {
        let identity = Identity::new(1);
        let state = given::<DeviceSet>([published(&identity)]);
        let mut swapped = identity.device(PHONE);
        swapped.hpke_key = identity.device(LAPTOP).hpke_key;
        assert_eq!(when(&state, swapped, &by(OWNER)), Err(Rejection::CertificateInvalid));
        let foreign = Identity::new(2).device(PHONE);
        assert_eq!(when(&state, foreign, &by(OWNER)), Err(Rejection::CertificateInvalid));
    }

    #[test]
    fn an_id_is_used_once_for_ever() {
        let identity = Identity::new(1);
        let mut events = vec![published(&identity), enrolled(&identity, PHONE)];
        let enroll = || identity.device(PHONE);
        assert_eq!(
            when(&given::<DeviceSet>(events.clone()), enroll(), &by(OWNER)),
            Err(Rejection::DeviceExists)
        );
        events.push(revoked(PHONE));
        assert_eq!(when(&given::<DeviceSet>(events), enroll(), &by(OWNER)), Err(Rejection::DeviceRevoked));
        let as_recovery = identity.device(DeviceId::from_bytes(*RECOVERY.as_bytes()));
        assert_eq!(RecipientId::from(as_recovery.device_id), RECOVERY);
        let state = given::<DeviceSet>([published(&identity)]);
        assert_eq!(when(&state, as_recovery, &by(OWNER)), Err(Rejection::DeviceExists));
    }

    #[test]
    fn there_is_a_limit_that_revoking_makes_room_under() {
        let identity = Identity::new(1);
        let device = |number: usize| DeviceId::from_bytes([100 + number as u8; 16]);
        let full = (0..ACCOUNT_DEVICES_MAX).map(|number| enrolled(&identity, device(number)));
        let mut events: Vec<_> = std::iter::once(published(&identity)).chain(full).collect();
        let answer = when(&given::<DeviceSet>(events.clone()), identity.device(PHONE), &by(OWNER));
        assert_eq!(answer, Err(Rejection::DeviceLimit { limit: ACCOUNT_DEVICES_MAX }));
        events.push(revoked(device(0)));
        assert!(when(&given::<DeviceSet>(events), identity.device(PHONE), &by(OWNER)).is_ok());
    }

    #[test]
    fn labels_are_checked() {
        let identity = Identity::new(1);
        let mut command = identity.device(PHONE);
        command.label.name = "a\nb".into();
        let answer = when(&given::<DeviceSet>([published(&identity)]), command, &by(OWNER));
        assert!(matches!(answer, Err(Rejection::InvalidField { field: "label", .. })));
    }
}
