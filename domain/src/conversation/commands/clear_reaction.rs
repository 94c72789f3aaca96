//! Taking a reaction back.

use crate::conversation::{Conversation, ReactionCleared};
use crate::{Context, Draft};

use super::{Decision, require_slot};

/// Empties a reaction slot of the member on a message.
#[derive(Clone, Debug)]
pub struct ClearReaction {
    /// The message.
    pub number: u64,
    /// Which slot.
    pub slot: u8,
}

impl ClearReaction {
    /// The state does not know which slots are filled: clearing an empty one is recorded again. A deleted message has no
    /// reactions left to clear.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let caller = state.caller(context)?;
        require_slot(self.slot)?;
        state.require_message(self.number, &caller)?;
        if state.is_message_deleted(self.number) {
            return Ok(Vec::new());
        }
        Ok(vec![Draft::open(ReactionCleared {
            conversation_id: caller.conversation_id,
            number: self.number,
            account_id: caller.account_id,
            slot: self.slot,
        })])
    }
}

#[cfg(test)]
mod tests {
    use crate::Rejection;
    use crate::conversation::commands::DeleteMessage;
    use crate::conversation::testing::*;

    use super::*;

    #[test]
    fn a_member_takes_a_reaction_back() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB);
        let expected =
            ReactionCleared { conversation_id: GROUP, number: 1, account_id: ALICE.account(), slot: 3 };
        assert_eq!(
            given.events(ALICE.without_device(), ClearReaction { number: 1, slot: 3 }),
            Ok(vec![expected.into()])
        );
    }

    #[test]
    fn there_is_nothing_to_take_back_on_a_deleted_message() {
        let given = Given::group(&[ALICE, BOB])
            .committed(ALICE)
            .sent(BOB)
            .and(BOB.on(0), DeleteMessage { number: 1 });
        assert_eq!(given.events(ALICE.on(0), ClearReaction { number: 1, slot: 0 }), Ok(vec![]));
    }

    #[test]
    fn strangers_slots_and_messages_that_are_not_there_are_refused() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB);
        let refused =
            |person: Person, number, slot| given.refusal(person.on(0), ClearReaction { number, slot });
        assert_eq!(refused(MALLORY, 1, 0), Rejection::ConversationNotFound);
        assert_eq!(refused(ALICE, 2, 0), Rejection::MessageNotFound);
        assert!(matches!(refused(ALICE, 1, 8), Rejection::InvalidField { field: "slot", .. }));
    }
}
