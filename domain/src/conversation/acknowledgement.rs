//! What a conversation says of an acknowledgement, which its member's own stream records ([`crate::conversation_member`]).
//!
//! The conversation may have gone on by the time it is recorded. That changes nothing: messages stay where they are, and
//! whoever was a member when the conversation was looked at acknowledges what was sent to them until then.

use crate::conversation_member::Watermarks;
use crate::{
    AccountDevice, AccountId, Aggregate, Context, ConversationId, OrganizationId, Rejection, limits,
};

use super::Conversation;

/// Messages that a member's device may acknowledge. Made by [`Conversation::acknowledge`] alone, so that none is recorded that
/// the conversation was not asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Acknowledgement {
    pub(crate) organization_id: OrganizationId,
    pub(crate) conversation_id: ConversationId,
    pub(crate) device: AccountDevice,
    /// At most the last message; what was read was delivered.
    pub(crate) watermarks: Watermarks,
    /// Whom it concerns; none where the conversation is small enough for all members to be told.
    pub(crate) senders: Option<LatestSenders>,
}

/// Who sent the newest of the acknowledged messages, each with the number of their latest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LatestSenders {
    /// Of those delivered.
    pub(crate) delivered: Vec<(AccountId, u64)>,
    /// Of those read.
    pub(crate) read: Vec<(AccountId, u64)>,
}

impl Conversation {
    /// Admits an acknowledgement by the device that the command comes from. Reading further than delivered raises both marks.
    ///
    /// # Errors
    /// Of whoever is no member with an active device, and of numbers that no message has.
    pub fn acknowledge(&self, marks: Watermarks, context: &Context) -> Result<Acknowledgement, Rejection> {
        let by = self.reader_device(context)?;
        let organization_id = self.organization().ok_or(Rejection::ConversationNotFound)?;
        let delivered_up_to = marks.delivered_up_to.max(marks.read_up_to);
        let refused = |reason| Err(Rejection::InvalidField { field: "delivered_up_to", reason });
        if delivered_up_to > self.last_number() {
            return refused("is beyond the last message");
        }
        if delivered_up_to == 0 {
            return refused("is before the first message");
        }
        let account_id = by.caller.account_id;
        let is_large = self.members().len() > limits::RECEIPTS_FOR_ALL_MEMBERS_MAX;
        let senders = is_large.then(|| LatestSenders {
            delivered: self.latest_senders(delivered_up_to, account_id),
            read: self.latest_senders(marks.read_up_to, account_id),
        });
        Ok(Acknowledgement {
            organization_id,
            conversation_id: by.caller.conversation_id,
            device: by.device,
            watermarks: Watermarks { delivered_up_to, read_up_to: marks.read_up_to },
            senders,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::ConversationRole;
    use crate::conversation::commands::{AddMember, RemoveMember};
    use crate::conversation::testing::*;

    use super::*;

    fn marks(delivered_up_to: u64, read_up_to: u64) -> Watermarks {
        Watermarks { delivered_up_to, read_up_to }
    }

    fn given() -> Given {
        Given::group(&[ALICE, BOB]).committed(ALICE).sent(ALICE).sent(ALICE).sent(ALICE)
    }

    fn admitted(given: &Given, context: Context, delivered: u64, read: u64) -> Result<Watermarks, Rejection> {
        given.state.acknowledge(marks(delivered, read), &context).map(|admitted| admitted.watermarks)
    }

    fn refused(given: &Given, context: Context, delivered: u64, read: u64) -> Rejection {
        admitted(given, context, delivered, read).expect_err("refused")
    }

    /// A group of more members than all are told of receipts, of whom these send one after another.
    fn large(senders: &[Person]) -> Given {
        let others = limits::RECEIPTS_FOR_ALL_MEMBERS_MAX - 2;
        let crowd = (0..others).map(|number| Person(100 + u8::try_from(number).unwrap()));
        let people: Vec<_> = [ALICE, BOB, CAROL].into_iter().chain(crowd).collect();
        senders.iter().fold(Given::group(&people).committed(ALICE), |given, by| given.sent(*by))
    }

    #[test]
    fn a_device_acknowledges_what_there_is() {
        let given = given();
        assert_eq!(admitted(&given, BOB.on(0), 3, 1), Ok(marks(3, 1)));
        assert_eq!(admitted(&given, BOB.on(0), 1, 2), Ok(marks(2, 2)), "what was read was delivered");
        for (delivered, read) in [(4, 0), (0, 4), (0, 0)] {
            let refusal = refused(&given, BOB.on(0), delivered, read);
            assert!(matches!(refusal, Rejection::InvalidField { field: "delivered_up_to", .. }));
        }
    }

    #[test]
    fn only_an_active_device_of_a_member_acknowledges() {
        let given = given();
        assert_eq!(refused(&given, MALLORY.on(0), 1, 1), Rejection::ConversationNotFound);
        assert_eq!(refused(&given, BOB.on(1), 1, 1), Rejection::DeviceNotInConversation);
        assert_eq!(refused(&given, BOB.without_device(), 1, 1), Rejection::DeviceRequired);
        let removed = given.clone().and(ALICE.on(0), RemoveMember { account_id: BOB.account() });
        assert_eq!(refused(&removed, BOB.on(0), 1, 1), Rejection::ConversationNotFound);
    }

    #[test]
    fn nobody_acknowledges_whose_term_has_ended() {
        let given = given();
        for context in [out_of_organization(BOB.on(0)), back_in_organization(BOB.on(0))] {
            assert_eq!(refused(&given, context, 1, 1), Rejection::ConversationNotFound);
        }
        let given = Given::in_workspace(&[ALICE, BOB]);
        for context in [BOB.on(0), out_of_workspace(BOB.on(0)), back_in_workspace(BOB.on(0))] {
            assert_eq!(refused(&given, context, 1, 1), Rejection::ConversationNotFound);
        }
    }

    #[test]
    fn an_archived_workspace_takes_acknowledgements() {
        let given = Given::in_workspace(&[ALICE, BOB]);
        let commit = given.commit(ALICE);
        let given = given.and(in_workspace(ALICE.on(0)), commit);
        let message = given.message();
        let given = given.and(in_workspace(ALICE.on(0)), message);
        assert_eq!(admitted(&given, archived(BOB.on(0)), 1, 1), Ok(marks(1, 1)));
    }

    #[test]
    fn a_small_group_is_told_whole() {
        assert_eq!(given().state.acknowledge(marks(3, 1), &BOB.on(0)).unwrap().senders, None);
    }

    #[test]
    fn of_a_large_group_those_are_told_who_sent_what_is_acknowledged() {
        let given = large(&[ALICE, CAROL, ALICE, BOB]);
        let senders = given.state.acknowledge(marks(4, 2), &BOB.on(0)).unwrap().senders.unwrap();
        assert_eq!(senders.delivered, [(ALICE.account(), 3), (CAROL.account(), 2)], "not of oneself");
        assert_eq!(senders.read, [(CAROL.account(), 2), (ALICE.account(), 1)]);
        let given = given.and(ALICE.on(0), RemoveMember { account_id: CAROL.account() });
        let given =
            given.and(ALICE.on(0), AddMember { member: MALLORY.candidate(), role: ConversationRole::Member });
        let senders = given.state.acknowledge(marks(4, 0), &BOB.on(0)).unwrap().senders.unwrap();
        assert_eq!(senders.delivered, [(ALICE.account(), 3)], "nobody who is no member");
        assert_eq!(senders.read, []);
    }

    #[test]
    fn senders_are_looked_for_among_so_many_messages() {
        let looked_at = limits::RECEIPT_MESSAGES_LOOKED_AT_MAX;
        let senders: Vec<_> = std::iter::once(CAROL).chain(std::iter::repeat_n(ALICE, looked_at)).collect();
        let given = large(&senders);
        let last = given.state.last_number();
        let senders = |up_to| given.state.latest_senders(up_to, BOB.account());
        assert_eq!(senders(last), [(ALICE.account(), last)]);
        assert_eq!(senders(last - 1), [(ALICE.account(), last - 1), (CAROL.account(), 1)]);
    }

    #[test]
    fn there_is_an_end_of_senders() {
        let crowd: Vec<_> = (0..=limits::RECEIPT_SENDERS_MAX)
            .map(|number| Person(100 + u8::try_from(number).unwrap()))
            .collect();
        let people: Vec<_> = [ALICE, BOB].into_iter().chain(crowd.iter().copied()).collect();
        let given = crowd.iter().fold(Given::group(&people).committed(ALICE), |given, by| given.sent(*by));
        let senders = given.state.latest_senders(given.state.last_number(), BOB.account());
        assert_eq!(senders.len(), limits::RECEIPT_SENDERS_MAX);
        assert_eq!(senders[0].0, crowd.last().unwrap().account(), "the latest are told");
    }
}
