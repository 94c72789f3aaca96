//! Giving a recipient that came later its wrap.

use crate::conversation::{Conversation, Wrap, WrapAdded};
use crate::{Context, Draft, Rejection};

use super::Decision;

/// Gives a waiting recipient its wrap of the current generation.
#[derive(Clone, Debug)]
pub struct AddWrap {
    /// Which generation: the current one.
    pub generation: u32,
    /// The wrap.
    pub wrap: Wrap,
}

impl AddWrap {
    /// Also a waiting device may, for itself: it has the generation key when its owner opened the recovery wrap with it.
    /// Wraps of a generation that is about to be replaced are still taken: they open what was sent under it.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let by = state.caller_device(context)?;
        state.require_current(self.generation)?;
        let recipient = self.wrap.recipient();
        if state.recipient(recipient).is_none() {
            return Err(Rejection::RecipientNotFound);
        }
        if !state.is_waiting(recipient) {
            return Err(Rejection::WrapExists);
        }
        let suite = state.suite().ok_or(Rejection::WrapInvalid { recipient })?;
        state.wrap_signer(&by, (self.generation, suite, state.transcript()))?.require_signed(&self.wrap)?;
        Ok(vec![Draft::open(WrapAdded {
            conversation_id: by.caller.conversation_id,
            generation: self.generation,
            account_id: by.caller.account_id,
            device_id: by.device.device_id,
            wrap: self.wrap.clone(),
        })])
    }
}

#[cfg(test)]
mod tests {
    use crate::AccountRecipient;
    use crate::conversation::Recipient;
    use crate::conversation::commands::{AddRecipient, ReportWrap};
    use crate::conversation::testing::*;

    use super::*;

    /// Bob's second device waits.
    fn given() -> Given {
        Given::group(&[ALICE, BOB])
            .committed(ALICE)
            .and(platform(), AddRecipient { account_id: BOB.account(), recipient: BOB.device_recipient(1) })
    }

    fn waiting() -> AccountRecipient {
        BOB.device_key(1)
    }

    #[test]
    fn any_member_gives_a_waiting_recipient_its_wrap() {
        let given = given();
        let command = given.late_wrap(ALICE, waiting());
        let added = WrapAdded {
            conversation_id: GROUP,
            generation: 1,
            account_id: ALICE.account(),
            device_id: ALICE.device(0),
            wrap: command.wrap.clone(),
        };
        assert_eq!(given.events(ALICE.on(0), command.clone()), Ok(vec![added.into()]));
        assert!(!given.and(ALICE.on(0), command).state.is_waiting(waiting()));
    }

    #[test]
    fn wraps_are_immutable() {
        let given = given();
        let command = given.late_wrap(ALICE, waiting());
        let given = given.and(ALICE.on(0), command.clone());
        assert_eq!(given.refusal(ALICE.on(0), command), Rejection::WrapExists);
        let other = given.late_wrap(BOB, ALICE.device_key(0));
        assert_eq!(given.refusal(BOB.on(0), other), Rejection::WrapExists);
    }

    #[test]
    fn only_active_recipients_and_the_current_generation_are_served() {
        let given = given();
        let stranger = given.late_wrap(ALICE, MALLORY.device_key(0));
        assert_eq!(given.refusal(ALICE.on(0), stranger), Rejection::RecipientNotFound);
        let next = AddWrap { generation: 2, ..given.late_wrap(ALICE, waiting()) };
        let stale = Rejection::StaleGeneration { current: 1, commit_required: false };
        assert_eq!(given.refusal(ALICE.on(0), next), stale);
        let before = Given::group(&[ALICE, BOB]);
        let none = before.late_wrap(ALICE, BOB.device_key(0));
        let stale = Rejection::StaleGeneration { current: 0, commit_required: true };
        assert_eq!(before.refusal(ALICE.on(0), none), stale);
    }

    #[test]
    fn the_wrap_is_signed_by_the_device_that_brings_it() {
        let given = given();
        let wrong = Rejection::WrapInvalid { recipient: waiting() };
        assert_eq!(given.refusal(BOB.on(0), given.late_wrap(ALICE, waiting())), wrong);
        assert_eq!(
            given.refusal(MALLORY.on(0), given.late_wrap(MALLORY, waiting())),
            Rejection::ConversationNotFound
        );
    }

    #[test]
    fn a_wrap_of_an_earlier_generation_does_not_serve_the_next() {
        let given = given();
        let early = given.late_wrap(ALICE, waiting());
        let report = ReportWrap { generation: 2, recipient_id: waiting().recipient_id };
        let later = given.committed(ALICE).and(BOB.on(1), report);
        let replayed = AddWrap { generation: 2, ..early };
        assert_eq!(later.refusal(ALICE.on(0), replayed), Rejection::WrapInvalid { recipient: waiting() });
    }

    #[test]
    fn a_wrap_for_one_account_does_not_serve_anothers_recipient_of_the_same_id() {
        let copy = Recipient { recipient_id: waiting().recipient_id, ..ALICE.device_recipient(1) };
        let given = given().and(platform(), AddRecipient { account_id: ALICE.account(), recipient: copy });
        let copied = AccountRecipient { account_id: ALICE.account(), ..waiting() };
        assert_eq!(given.state.waiting().collect::<Vec<_>>(), [copied, waiting()]);
        let mut readdressed = given.late_wrap(ALICE, waiting());
        readdressed.wrap.account_id = ALICE.account();
        let wrong = Rejection::WrapInvalid { recipient: copied };
        assert_eq!(given.refusal(ALICE.on(0), readdressed), wrong);
        let wrap = given.late_wrap(ALICE, waiting());
        let given = given.and(ALICE.on(0), wrap);
        assert_eq!(given.state.waiting().collect::<Vec<_>>(), [copied]);
    }
}
