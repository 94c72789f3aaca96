//! Pinning a message.

use crate::conversation::{Conversation, MessagePinned};
use crate::{Context, Draft, Rejection, limits};

use super::Decision;

/// Pins a message.
#[derive(Clone, Debug)]
pub struct PinMessage {
    /// Its number.
    pub number: u64,
}

impl PinMessage {
    /// Every member may.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let caller = state.caller(context)?;
        state.require_live_message(self.number, &caller)?;
        if state.is_pinned(self.number) {
            return Ok(Vec::new());
        }
        if state.pins().len() >= limits::PINS_MAX {
            return Err(Rejection::PinLimit { limit: limits::PINS_MAX });
        }
        Ok(vec![Draft::open(MessagePinned {
            conversation_id: caller.conversation_id,
            number: self.number,
            pinned_by: caller.account_id,
        })])
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::commands::{DeleteMessage, UnpinMessage};
    use crate::conversation::testing::*;

    use super::*;

    const FIRST: PinMessage = PinMessage { number: 1 };

    #[test]
    fn every_member_pins_once() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(ALICE);
        let pinned = MessagePinned { conversation_id: GROUP, number: 1, pinned_by: BOB.account() };
        assert_eq!(given.events(BOB.on(0), FIRST), Ok(vec![pinned.into()]));
        assert_eq!(given.and(BOB.on(0), FIRST).events(ALICE.on(0), FIRST), Ok(vec![]));
    }

    #[test]
    fn strangers_deleted_and_unknown_messages_are_refused() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(ALICE);
        assert_eq!(given.refusal(MALLORY.on(0), FIRST), Rejection::ConversationNotFound);
        assert_eq!(given.refusal(BOB.on(0), PinMessage { number: 2 }), Rejection::MessageNotFound);
        let given = given.and(ALICE.on(0), DeleteMessage { number: 1 });
        assert_eq!(given.refusal(BOB.on(0), FIRST), Rejection::MessageDeleted);
    }

    #[test]
    fn pins_are_limited() {
        let mut given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(ALICE);
        for number in 1..=limits::PINS_MAX as u64 {
            given = given.sent(ALICE).and(ALICE.on(0), PinMessage { number });
        }
        let next = PinMessage { number: limits::PINS_MAX as u64 + 1 };
        assert_eq!(given.refusal(ALICE.on(0), next.clone()), Rejection::PinLimit { limit: limits::PINS_MAX });
        let given = given.and(BOB.on(0), UnpinMessage { number: 5 });
        assert_eq!(given.events(ALICE.on(0), next).unwrap().len(), 1);
    }
}
