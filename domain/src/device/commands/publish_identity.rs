//! Publish the identity.

use crate::aggregate::{Context, Draft};
use crate::device::certificate::{check_hpke_key, check_verify_key, recovery_certificate, verify};
use crate::device::{DeviceEvent, DeviceSet, IdentityPublished, IdentityVault};
use crate::limits::IDENTITY_VAULT_BYTES_MAX;
use crate::rejection::Rejection;
use crate::{AccountId, HpkeKey, RecipientId, Signature, VerifyKey};

/// Publishes identity and recovery key, once. Only the account itself may.
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
        if state.identity_key().is_some() {
            return Err(Rejection::IdentityExists);
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
        };
        Ok(vec![Draft::sealed(published, self.vault.clone(), account_id)])
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
    use crate::aggregate::Actor;
    use crate::conversation::RecipientKind;
    use crate::device::tests::{Identity, OWNER, RECOVERY, STRANGER, published};
    use crate::testing::{as_actor, by, given, when};

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
