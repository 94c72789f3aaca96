//! Wraps whose signatures were verified. A generation has thousands, and each takes as long as deciding many commands: they
//! are verified before the command is given, wherever there is time, and the command carries what was verified and for what.

use crate::{AccountDevice, AccountRecipient, ConversationId, Digest, OrganizationId, Rejection, VerifyKey};

use super::binding::WrapBinding;
use super::{Suite, Wrap};

/// Whose signatures the wraps of a generation have to bear, and what each is bound to beside its recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrapSigner {
    pub(super) organization_id: OrganizationId,
    pub(super) conversation_id: ConversationId,
    pub(super) generation: u32,
    pub(super) suite: Suite,
    pub(super) transcript: Digest,
    pub(super) device: AccountDevice,
    pub(super) verify_key: VerifyKey,
}

impl WrapSigner {
    /// Verifies all of `wraps`.
    ///
    /// # Errors
    /// [`Rejection::WrapInvalid`] names the first that is malformed or not so signed.
    pub fn verify(self, wraps: Vec<Wrap>) -> Result<SignedWraps, Rejection> {
        for wrap in &wraps {
            self.require_signed(wrap)?;
        }
        Ok(SignedWraps { signer: self, wraps })
    }

    /// Refuses a wrap that is malformed, or not signed by the device for this generation and recipient.
    pub(super) fn require_signed(&self, wrap: &Wrap) -> Result<(), Rejection> {
        if self.binding(wrap.recipient()).verifies(wrap, &self.verify_key) {
            return Ok(());
        }
        Err(Rejection::WrapInvalid { recipient: wrap.recipient() })
    }

    fn binding(&self, recipient: AccountRecipient) -> WrapBinding {
        let Self { organization_id, conversation_id, generation, suite, transcript, device, .. } = *self;
        WrapBinding { organization_id, conversation_id, generation, suite, recipient, device, transcript }
    }
}

/// Wraps that bear the signatures of one [`WrapSigner`]; made by nothing but [`WrapSigner::verify`], and joined.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedWraps {
    signer: WrapSigner,
    wraps: Vec<Wrap>,
}

impl SignedWraps {
    /// Parts that were verified apart, in this order; `None` unless all are of that signer.
    pub fn joined(signer: WrapSigner, parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut wraps = Vec::new();
        for part in parts {
            if part.signer != signer {
                return None;
            }
            wraps.extend(part.wraps);
        }
        Some(Self { signer, wraps })
    }

    /// Whose signatures they bear, and for what.
    pub(super) fn signer(&self) -> &WrapSigner {
        &self.signer
    }

    /// The wraps.
    pub fn as_slice(&self) -> &[Wrap] {
        &self.wraps
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::testing::*;

    #[test]
    fn parts_of_one_signer_join_in_order_and_others_do_not() {
        let given = Given::group(&[ALICE, BOB]);
        let commit = given.commit(ALICE);
        let signer = commit.admit(&given.state, &ALICE.on(0)).unwrap();
        let whole = signer.verify(commit.wraps.clone()).unwrap();
        let (first, second) = commit.wraps.split_at(1);
        let parts = [first, second].map(|part| signer.verify(part.to_vec()).unwrap());
        assert_eq!(super::SignedWraps::joined(signer, parts.clone()), Some(whole));
        let another = given.commit(BOB);
        let foreign = another.admit(&given.state, &BOB.on(0)).unwrap().verify(another.wraps.clone()).unwrap();
        assert_eq!(super::SignedWraps::joined(signer, [parts[0].clone(), foreign]), None);
    }
}
