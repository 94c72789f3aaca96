//! Unpinning a message.

use crate::conversation::{Conversation, MessageUnpinned};
use crate::{Context, Draft};

use super::Decision;

/// Unpins a message.
#[derive(Clone, Debug)]
pub struct UnpinMessage {
    /// Its number.
    pub number: u64,
}

impl UnpinMessage {
    /// Every member may.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let caller = state.caller(context)?;
        state.require_message(self.number, &caller)?;
        if !state.is_pinned(self.number) {
            return Ok(Vec::new());
        }
        Ok(vec![Draft::open(MessageUnpinned {
            conversation_id: caller.conversation_id,
            number: self.number,
            unpinned_by: caller.account_id,
        })])
    }
}

#[cfg(test)]
mod tests {
    use crate::Rejection;
    use crate::conversation::commands::PinMessage;
    use crate::conversation::testing::*;

    use super::*;

    const FIRST: UnpinMessage = UnpinMessage { number: 1 };

    #[test]
    fn every_member_unpins_what_is_pinned() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(ALICE);
        assert_eq!(given.events(BOB.on(0), FIRST), Ok(vec![]));
        let given = given.and(ALICE.on(0), PinMessage { number: 1 });
        let unpinned = MessageUnpinned { conversation_id: GROUP, number: 1, unpinned_by: BOB.account() };
        assert_eq!(given.events(BOB.on(0), FIRST), Ok(vec![unpinned.into()]));
    }

    #[test]
    fn strangers_and_unknown_messages_are_refused() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(ALICE);
        assert_eq!(given.refusal(MALLORY.on(0), FIRST), Rejection::ConversationNotFound);
        assert_eq!(given.refusal(BOB.on(0), UnpinMessage { number: 2 }), Rejection::MessageNotFound);
    }
}
