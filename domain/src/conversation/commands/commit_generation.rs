//! Committing a generation of the conversation key.

use std::collections::BTreeSet;

use crate::conversation::rules::CallerDevice;
use crate::conversation::{Conversation, GenerationCommitted, SignedWraps, Suite, Wrap, WrapSigner};
use crate::{AccountRecipient, Context, Digest, Draft, Rejection};

use super::Decision;

/// A new generation as its client made it: no signature has been verified.
#[derive(Clone, Debug)]
pub struct NewGeneration {
    /// Its number: the current one plus one.
    pub generation: u32,
    /// How it encrypts.
    pub suite: Suite,
    /// Hash of the membership that the client made it for; must be the server's.
    pub transcript: Digest,
    /// One wrap for exactly each active recipient.
    pub wraps: Vec<Wrap>,
}

impl NewGeneration {
    /// Judges everything but the signatures. Says whose they have to be: when all of the wraps bear them, and the state is
    /// still the same, [`CommitGeneration`] commits the generation.
    ///
    /// # Errors
    /// Whatever the command would be refused for.
    pub fn admit(&self, state: &Conversation, context: &Context) -> Result<WrapSigner, Rejection> {
        let by = state.caller_device(context)?;
        admit(state, &by, (self.generation, self.suite, self.transcript), &self.wraps)
    }
}

/// Commits a new generation; the first commit of a number wins.
#[derive(Clone, Debug)]
pub struct CommitGeneration {
    /// One wrap for exactly each active recipient, with what they were verified for.
    pub wraps: SignedWraps,
}

impl CommitGeneration {
    /// Any member's device may, also when none is due.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let by = state.caller_device(context)?;
        let signer = *self.wraps.signer();
        let WrapSigner { generation, suite, transcript, .. } = signer;
        let due = admit(state, &by, (generation, suite, transcript), self.wraps.as_slice())?;
        if due != signer {
            // What was verified is another device's, or for another conversation.
            return Err(Rejection::WrapInvalid { recipient: by.device.into() });
        }
        let mut wraps = self.wraps.as_slice().to_vec();
        wraps.sort_by_key(Wrap::recipient);
        Ok(vec![Draft::open(GenerationCommitted {
            conversation_id: by.caller.conversation_id,
            generation,
            suite,
            account_id: by.caller.account_id,
            device_id: by.device.device_id,
            transcript,
            wraps,
        })])
    }
}

/// Judges a generation but for its signatures; says whose they have to be.
fn admit(
    state: &Conversation,
    by: &CallerDevice,
    (generation, suite, transcript): (u32, Suite, Digest),
    wraps: &[Wrap],
) -> Result<WrapSigner, Rejection> {
    let current = state.generation();
    if current.checked_add(1) != Some(generation) {
        return Err(Rejection::GenerationConflict { current });
    }
    require_exact_recipients(state, wraps)?;
    if state.next_transcript() != Some(transcript) {
        return Err(Rejection::TranscriptMismatch);
    }
    state.wrap_signer(by, (generation, suite, transcript))
}

fn require_exact_recipients(state: &Conversation, wraps: &[Wrap]) -> Result<(), Rejection> {
    let mut missing: BTreeSet<AccountRecipient> = state
        .recipients()
        .map(|(account_id, one)| AccountRecipient::new(account_id, one.recipient_id))
        .collect();
    // What is no longer missing when its wrap is met is a stranger's or a second one.
    let extra: BTreeSet<AccountRecipient> =
        wraps.iter().map(Wrap::recipient).filter(|key| !missing.remove(key)).collect();
    if missing.is_empty() && extra.is_empty() {
        return Ok(());
    }
    Err(Rejection::WrapsMismatch {
        missing_recipients: missing.into_iter().collect(),
        extra_recipients: extra.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use crate::conversation::ConversationRole;
    use crate::conversation::commands::AddMember;
    use crate::conversation::testing::*;
    use crate::{Blob, HpkeKey, Signature};

    use super::*;

    fn given() -> Given {
        Given::group(&[ALICE, BOB])
    }

    #[test]
    fn a_member_commits_for_exactly_the_active_recipients() {
        let given = given();
        let mut command = given.commit(BOB);
        command.wraps.reverse();
        let mut wraps = command.wraps.clone();
        wraps.sort_by_key(Wrap::recipient);
        let committed = GenerationCommitted {
            conversation_id: GROUP,
            generation: 1,
            suite: Suite::X25519Siv,
            account_id: BOB.account(),
            device_id: BOB.device(0),
            transcript: given.state.next_transcript().unwrap(),
            wraps,
        };
        assert_eq!(given.events(BOB.on(0), command.clone()), Ok(vec![committed.into()]));
        let after = given.and(BOB.on(0), command.clone());
        assert_eq!((after.state.generation(), after.state.commit_required()), (1, false));
        assert_eq!(after.state.transcript(), command.transcript);
    }

    #[test]
    fn the_first_commit_of_a_number_wins() {
        let given = given();
        let (first, second) = (given.commit(ALICE), given.commit(BOB));
        let given = given.and(ALICE.on(0), first);
        assert_eq!(given.refusal(BOB.on(0), second), Rejection::GenerationConflict { current: 1 });
    }

    #[test]
    fn numbers_are_not_skipped() {
        let given = given();
        for generation in [0, 2] {
            let command = NewGeneration { generation, ..given.commit(ALICE) };
            assert_eq!(given.refusal(ALICE.on(0), command), Rejection::GenerationConflict { current: 0 });
        }
    }

    #[test]
    fn missing_and_extra_wraps_are_named_in_order() {
        let given = given();
        let mut command = given.commit(ALICE);
        let second = command.wraps[1].clone();
        let (account_id, recipient_id) = (MALLORY.account(), MALLORY.device(0).into());
        let stranger = Wrap { account_id, recipient_id, ..second.clone() };
        let missing = vec![command.wraps[0].recipient(), command.wraps[2].recipient()];
        command.wraps = vec![stranger, second.clone(), command.wraps[3].clone(), second.clone()];
        let extra = vec![second.recipient(), MALLORY.device_key(0)];
        assert_eq!(
            given.refusal(ALICE.on(0), command),
            Rejection::WrapsMismatch { missing_recipients: missing, extra_recipients: extra }
        );
    }

    #[test]
    fn a_commit_made_for_another_membership_is_refused() {
        let given = given();
        let stale = given.commit(ALICE);
        let joined = given
            .clone()
            .and(ALICE.on(0), AddMember { member: CAROL.candidate(), role: ConversationRole::Member });
        let missing_recipients = CAROL.recipient_keys();
        assert_eq!(
            joined.refusal(ALICE.on(0), stale.clone()),
            Rejection::WrapsMismatch { missing_recipients, extra_recipients: vec![] }
        );
        let other = NewGeneration { transcript: Digest::from_bytes([7; 32]), ..stale };
        assert_eq!(given.refusal(ALICE.on(0), other), Rejection::TranscriptMismatch);
    }

    #[test]
    fn every_wrap_is_well_formed_and_signed_by_the_sending_device() {
        let given = given();
        let wrong = |change: fn(&mut Wrap)| {
            let mut command = given.commit(ALICE);
            change(&mut command.wraps[3]);
            let recipient = command.wraps[3].recipient();
            assert_eq!(given.refusal(ALICE.on(0), command), Rejection::WrapInvalid { recipient });
        };
        wrong(|wrap| wrap.ciphertext = Blob::new(vec![0x22; 79]));
        wrong(|wrap| wrap.ciphertext = Blob::new(vec![0x22; 81]));
        wrong(|wrap| wrap.ciphertext = Blob::new(vec![0x23; 80]));
        wrong(|wrap| wrap.encapsulated_key = HpkeKey::from_bytes([0; 32]));
        wrong(|wrap| wrap.signature = Signature::from_bytes([0; 64]));
        let anothers = given.commit(BOB);
        let recipient = anothers.wraps[0].recipient();
        assert_eq!(given.refusal(ALICE.on(0), anothers), Rejection::WrapInvalid { recipient });
    }

    #[test]
    fn wraps_do_not_serve_another_recipient() {
        let given = given();
        let mut command = given.commit(ALICE);
        let (first, second) = (command.wraps[0].recipient(), command.wraps[1].recipient());
        command.wraps[0].recipient_id = second.recipient_id;
        command.wraps[1].recipient_id = first.recipient_id;
        assert_eq!(given.refusal(ALICE.on(0), command), Rejection::WrapInvalid { recipient: second });
    }

    #[test]
    fn two_accounts_recipients_of_one_id_get_a_wrap_each() {
        let given = given().and(
            ALICE.on(0),
            AddMember { member: CAROL.with_devices_of(BOB), role: ConversationRole::Member },
        );
        let command = given.commit(BOB);
        let ids: Vec<_> = command.wraps.iter().map(|wrap| wrap.recipient_id).collect();
        assert_eq!((ids.len(), ids.iter().filter(|id| **id == BOB.device(0).into()).count()), (6, 2));
        let mut swapped = command.clone();
        let of = |person: Person| {
            let is_its = |wrap: &Wrap| wrap.recipient() == person.device_key_of(BOB);
            command.wraps.iter().position(is_its).unwrap()
        };
        let (bobs, carols) = (of(BOB), of(CAROL));
        swapped.wraps[bobs].account_id = CAROL.account();
        swapped.wraps[carols].account_id = BOB.account();
        let refusal = given.refusal(BOB.on(0), swapped);
        assert!(matches!(refusal, Rejection::WrapInvalid { .. }), "{refusal:?}");
        let mut one = command.clone();
        one.wraps.remove(carols);
        let expected = Rejection::WrapsMismatch {
            missing_recipients: vec![CAROL.device_key_of(BOB)],
            extra_recipients: vec![],
        };
        assert_eq!(given.refusal(BOB.on(0), one), expected);
        assert_eq!(given.and(BOB.on(0), command).state.generation(), 1);
    }

    #[test]
    fn strangers_and_foreign_devices_do_not_commit() {
        let given = given();
        assert_eq!(given.refusal(MALLORY.on(0), given.commit(MALLORY)), Rejection::ConversationNotFound);
        assert_eq!(given.refusal(ALICE.on(1), given.commit(ALICE)), Rejection::DeviceNotInConversation);
        assert_eq!(given.refusal(ALICE.without_device(), given.commit(ALICE)), Rejection::DeviceRequired);
    }

    #[test]
    fn a_commit_ends_all_waiting() {
        let given = given()
            .committed(ALICE)
            .and(ALICE.on(0), AddMember { member: CAROL.candidate(), role: ConversationRole::Member })
            .committed(BOB);
        assert_eq!((given.state.generation(), given.state.waiting().len()), (2, 0));
    }

    #[test]
    fn what_was_verified_for_another_state_commits_nothing() {
        let given = given();
        let verified = |by: Person| given.verified(by.on(0), given.commit(by)).unwrap();
        let (mut alices, bobs) = (verified(ALICE), verified(BOB));
        assert!(given.when(ALICE.on(0), alices.clone()).is_ok());
        let recipient = ALICE.device_key(0);
        assert_eq!(given.refusal(ALICE.on(0), bobs), Rejection::WrapInvalid { recipient });
        let later = given.clone().committed(BOB);
        assert_eq!(later.refusal(ALICE.on(0), alices.clone()), Rejection::GenerationConflict { current: 1 });
        let part = alices.wraps.as_slice()[1..].to_vec();
        let signer = given.commit(ALICE).admit(&given.state, &ALICE.on(0)).unwrap();
        alices.wraps = signer.verify(part).unwrap();
        assert!(matches!(given.refusal(ALICE.on(0), alices), Rejection::WrapsMismatch { .. }));
    }
}
