//! Reacting to a message.

use crate::conversation::rules::ContentSize;
use crate::conversation::{Conversation, MessageBody, ReactionSet};
use crate::{Context, Draft, MessageId, Period};

use super::{Decision, require_slot};

/// Fills a reaction slot of the member on a message.
#[derive(Clone, Debug)]
pub struct SetReaction {
    /// Names the reaction.
    pub reaction_id: MessageId,
    /// The message.
    pub number: u64,
    /// Which slot.
    pub slot: u8,
    /// The generation that the content is encrypted under; 0 when in clear.
    pub generation: u32,
    /// The content.
    pub body: MessageBody,
}

impl SetReaction {
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let by = state.caller_device(context)?;
        require_slot(self.slot)?;
        state.require_live_message(self.number, &by.caller)?;
        let encrypted = state.accepts(&self.body, self.generation, ContentSize::Reaction)?;
        let conversation_id = by.caller.conversation_id;
        let set = ReactionSet {
            conversation_id,
            reaction_id: self.reaction_id,
            number: self.number,
            account_id: by.caller.account_id,
            device_id: by.device.device_id,
            slot: self.slot,
            generation: self.generation,
            encrypted,
        };
        let period = Period::at(conversation_id, context.now);
        Ok(vec![Draft::sealed_for(set, self.body.clone(), by.caller.account_id, period)])
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::commands::DeleteMessage;
    use crate::conversation::testing::*;
    use crate::{Blob, Rejection};

    use super::*;

    #[test]
    fn a_member_reacts() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB);
        let drafts = given.when(ALICE.on(0), given.reaction(1, 7)).unwrap();
        let expected = ReactionSet {
            conversation_id: GROUP,
            reaction_id: given.reaction(1, 7).reaction_id,
            number: 1,
            account_id: ALICE.account(),
            device_id: ALICE.device(0),
            slot: 7,
            generation: 1,
            encrypted: true,
        };
        let period = Period::at(GROUP, NOW);
        assert_eq!(drafts, [Draft::sealed_for(expected, given.reaction(1, 7).body, ALICE.account(), period)]);
    }

    #[test]
    fn there_are_eight_slots() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB);
        let refusal = given.refusal(ALICE.on(0), given.reaction(1, 8));
        assert!(matches!(refusal, Rejection::InvalidField { field: "slot", .. }));
    }

    #[test]
    fn only_messages_that_are_there_are_reacted_to() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB);
        assert_eq!(given.refusal(ALICE.on(0), given.reaction(2, 0)), Rejection::MessageNotFound);
        let given = given.and(BOB.on(0), DeleteMessage { number: 1 });
        assert_eq!(given.refusal(ALICE.on(0), given.reaction(1, 0)), Rejection::MessageDeleted);
    }

    #[test]
    fn a_reaction_is_under_the_rules_of_sending_and_short() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB);
        assert_eq!(given.refusal(MALLORY.on(0), given.reaction(1, 0)), Rejection::ConversationNotFound);
        assert_eq!(given.refusal(ALICE.on(1), given.reaction(1, 0)), Rejection::DeviceNotInConversation);
        let stale = Rejection::StaleGeneration { current: 1, commit_required: false };
        assert_eq!(given.refusal(ALICE.on(0), SetReaction { generation: 2, ..given.reaction(1, 0) }), stale);
        let body = MessageBody { content: Blob::new(vec![0; 257]), ..encrypted_body() };
        let refusal = given.refusal(ALICE.on(0), SetReaction { body, ..given.reaction(1, 0) });
        assert!(matches!(refusal, Rejection::InvalidField { field: "content", .. }));
    }
}
