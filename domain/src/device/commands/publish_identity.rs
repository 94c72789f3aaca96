//! Publish the identity.

use crate::account::PasswordReset;
use crate::aggregate::{Context, Draft};
use crate::device::certificate::{check_hpke_key, check_verify_key, recovery_certificate, verify};
use crate::device::{
    DeviceEvent, DeviceRevocationCause, DeviceRevoked, DeviceSet, IdentityPublished, IdentityVault,
};
use crate::limits::{IDENTITY_ANEW_SECONDS, IDENTITY_VAULT_BYTES_MAX};
use crate::rejection::Rejection;
use crate::{AccountId, HpkeKey, RecipientId, Signature, VerifyKey};

/// Publishes identity and recovery key. Only the account itself may.
///
/// Another identity takes the place of the one before for whoever has lost all of that, or never had it: once after each reset
/// of the password by mail, within [`IDENTITY_ANEW_SECONDS`], and not from a device of the one before. Whatever that one
/// certified goes with it.
#[derive(Clone, Debug)]
pub struct PublishIdentity {
    /// The account.
    pub account_id: AccountId,
    /// The identity key.
    pub identity_key: VerifyKey,
    /// Names the recovery key.
    pub recovery_id: RecipientId,
    /// The recovery key.
    pub recovery_key: HpkeKey,
    /// Signature over the recovery certificate.
    pub recovery_certificate: Signature,
    /// The encrypted private keys.
    pub vault: IdentityVault,
    /// The last reset of the account's password by mail, if there was one.
    pub reset: Option<PasswordReset>,
}

impl PublishIdentity {
    pub(super) fn decide(
        &self,
        state: &DeviceSet,
        context: &Context,
    ) -> Result<Vec<Draft<DeviceEvent>>, Rejection> {
        let account_id = self.account_id;
        if context.account()? != account_id {
            return Err(Rejection::AccountNotFound);
        }
        let begins_anew = state.identity_key().is_some();
        if begins_anew && !self.may_begin_anew(state, context) {
            return Err(Rejection::IdentityExists);
        }
        if begins_anew && state.is_known(self.recovery_id) {
            let reason = "must not be the id of a recovery key or device before";
            return Err(Rejection::InvalidField { field: "recovery_id", reason });
        }
        check_verify_key("identity_key", &self.identity_key)?;
        check_hpke_key("recovery_key", &self.recovery_key)?;
        self.check_vault()?;
        let certificate = recovery_certificate(account_id, self.recovery_id, &self.recovery_key);
        verify(&self.identity_key, &certificate, &self.recovery_certificate)?;
        let published = IdentityPublished {
            account_id,
            identity_key: self.identity_key,
            recovery_id: self.recovery_id,
            recovery_key: self.recovery_key,
            recovery_certificate: self.recovery_certificate,
            after_reset: self.reset.map(|reset| reset.place),
        };
        let cause = DeviceRevocationCause::IdentityReplaced;
        let revoked = |(device_id, _)| Draft::open(DeviceRevoked { account_id, device_id, cause });
        let mut drafts: Vec<_> = state.active_devices().map(revoked).collect();
        drafts.push(Draft::sealed(published, self.vault.clone(), account_id));
        Ok(drafts)
    }

    fn may_begin_anew(&self, state: &DeviceSet, context: &Context) -> bool {
        let admits = |reset: PasswordReset| {
            !state.is_after_reset(reset.place) && reset.at.is_recent(IDENTITY_ANEW_SECONDS, context.now)
        };
        context.device.is_none() && self.reset.is_some_and(admits)
    }

    fn check_vault(&self) -> Result<(), Rejection> {
        let bytes = self.vault.encrypted_private_key.len();
        if bytes == 0 || bytes > IDENTITY_VAULT_BYTES_MAX {
            let reason = "must have 1 to 4096 bytes";
            return Err(Rejection::InvalidField { field: "encrypted_private_key", reason });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Blob;
    use crate::DeviceId;
    use crate::aggregate::Actor;
    use crate::conversation::RecipientKind;
    use crate::device::tests::{
        Identity, LAPTOP, OWNER, PHONE, RECOVERY, STRANGER, enrolled, published, revoked,
    };
    use crate::testing::{NOW, as_actor, at, by, by_device, given, happen, when};

    #[test]
    fn an_identity_is_published_once_by_its_account() {
        let identity = Identity::new(1);
        let nothing = DeviceSet::default();
        let publish = || identity.publication();
        assert_eq!(when(&nothing, publish(), &by(OWNER)), Ok(vec![published(&identity)]));
        assert_eq!(when(&nothing, publish(), &by(STRANGER)), Err(Rejection::AccountNotFound));
        assert_eq!(when(&nothing, publish(), &as_actor(Actor::SYSTEM)), Err(Rejection::AccountRequired));
        let state = given::<DeviceSet>([published(&identity)]);
        assert_eq!(when(&state, publish(), &by(OWNER)), Err(Rejection::IdentityExists));
        let other = Identity::new(2).publication();
        assert_eq!(when(&state, other, &by(OWNER)), Err(Rejection::IdentityExists));
    }

    /// [`Identity`] number 2, after a reset that stands at `place`.
    fn anew(place: u64) -> PublishIdentity {
        let identity = Identity::new(2);
        let recovery_id = RecipientId::from_bytes([29; 16]);
        let mut command = identity.publication();
        command.recovery_id = recovery_id;
        command.recovery_certificate =
            identity.sign(&recovery_certificate(OWNER, recovery_id, &command.recovery_key));
        PublishIdentity { reset: Some(PasswordReset { place, at: NOW }), ..command }
    }

    fn with_devices() -> DeviceSet {
        let identity = Identity::new(1);
        given([
            published(&identity),
            enrolled(&identity, PHONE),
            enrolled(&identity, LAPTOP),
            revoked(LAPTOP),
        ])
    }

    #[test]
    fn after_a_reset_by_mail_the_person_begins_anew_and_nothing_of_before_remains() {
        let mut state = with_devices();
        let events = happen(&mut state, anew(7), &by(OWNER)).expect("taken");
        let cause = DeviceRevocationCause::IdentityReplaced;
        let gone = DeviceRevoked { account_id: OWNER, device_id: PHONE, cause };
        let [first, DeviceEvent::IdentityPublished(published)] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!((first, published.after_reset), (&gone.into(), Some(7)));
        assert_eq!(state.identity_key(), Some(Identity::new(2).verify_key()));
        assert!(state.is_revoked(PHONE) && state.is_revoked(LAPTOP));
        let recipients: Vec<_> = state.active_recipients().iter().map(|one| one.recipient_id).collect();
        assert_eq!(recipients, [RecipientId::from_bytes([29; 16])]);
        // The devices of before are nothing to the new identity.
        let old = when(&state, Identity::new(1).device(DeviceId::from_bytes([13; 16])), &by(OWNER));
        assert_eq!(old, Err(Rejection::CertificateInvalid));
    }

    #[test]
    fn each_reset_admits_one_identity_for_a_day_and_not_from_a_device_of_before() {
        let mut state = with_devices();
        let late = at(by(OWNER), NOW.plus_seconds(IDENTITY_ANEW_SECONDS));
        assert_eq!(when(&state, anew(7), &late), Err(Rejection::IdentityExists));
        assert_eq!(when(&state, anew(7), &by_device(OWNER, PHONE)), Err(Rejection::IdentityExists));
        let without = PublishIdentity { reset: None, ..anew(7) };
        assert_eq!(when(&state, without, &by(OWNER)), Err(Rejection::IdentityExists));
        happen(&mut state, anew(7), &by(OWNER)).expect("taken");
        assert_eq!(when(&state, anew(7), &by(OWNER)), Err(Rejection::IdentityExists));
        assert_eq!(when(&state, anew(6), &by(OWNER)), Err(Rejection::IdentityExists));
        let again = when(&state, anew(8), &by(OWNER));
        assert!(matches!(again, Err(Rejection::InvalidField { field: "recovery_id", .. })));
    }

    #[test]
    fn an_identity_that_was_published_after_the_reset_stays() {
        let identity = Identity::new(1);
        let first =
            PublishIdentity { reset: Some(PasswordReset { place: 7, at: NOW }), ..identity.publication() };
        let mut state = DeviceSet::default();
        happen(&mut state, first, &by(OWNER)).expect("taken");
        assert_eq!(when(&state, anew(7), &by(OWNER)), Err(Rejection::IdentityExists));
    }

    #[test]
    fn a_recovery_id_of_before_is_not_used_again() {
        for id in [RECOVERY, PHONE.into(), LAPTOP.into()] {
            let command = PublishIdentity { recovery_id: id, ..anew(7) };
            let answer = when(&with_devices(), command, &by(OWNER));
            assert!(matches!(answer, Err(Rejection::InvalidField { field: "recovery_id", .. })));
        }
    }

    #[test]
    fn the_recovery_key_is_a_recipient_from_then_on() {
        let state = given::<DeviceSet>([published(&Identity::new(1))]);
        let recipients = state.active_recipients();
        assert_eq!(recipients.len(), 1);
        assert_eq!((recipients[0].recipient_id, recipients[0].kind), (RECOVERY, RecipientKind::Recovery));
        assert_eq!(recipients[0].verify_key, None);
    }

    #[test]
    fn a_recovery_key_that_the_identity_did_not_certify_is_refused() {
        let mut command = Identity::new(1).publication();
        command.recovery_id = RecipientId::from_bytes([99; 16]);
        let answer = when(&DeviceSet::default(), command, &by(OWNER));
        assert_eq!(answer, Err(Rejection::CertificateInvalid));
        let mut command = Identity::new(1).publication();
        command.identity_key = Identity::new(2).verify_key();
        let answer = when(&DeviceSet::default(), command, &by(OWNER));
        assert_eq!(answer, Err(Rejection::CertificateInvalid));
    }

    #[test]
    fn an_empty_or_huge_vault_is_refused() {
        for bytes in [0, IDENTITY_VAULT_BYTES_MAX + 1] {
            let mut command = Identity::new(1).publication();
            command.vault.encrypted_private_key = Blob::new(vec![1; bytes]);
            let answer = when(&DeviceSet::default(), command, &by(OWNER));
            assert!(matches!(answer, Err(Rejection::InvalidField { field: "encrypted_private_key", .. })));
        }
    }
}
