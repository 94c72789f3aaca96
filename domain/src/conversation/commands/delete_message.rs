//! Deleting a message for everyone.

use crate::conversation::{
    Conversation, ConversationKind, ConversationRole, MessageDeleted, MessageUnpinned,
};
use crate::{Context, Draft, Rejection};

use super::Decision;

/// Deletes a message for everyone; its sender or an admin.
#[derive(Clone, Debug)]
pub struct DeleteMessage {
    /// Its number.
    pub number: u64,
}

impl DeleteMessage {
    /// A pinned message is unpinned with it. In a direct conversation nobody deletes what the other wrote. Who came back deletes
    /// what they wrote in a former time, too, which they see no more.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let caller = state.caller(context)?;
        let (conversation_id, number) = (caller.conversation_id, self.number);
        if !state.is_sender(number, caller.account_id) {
            state.require_message(number, &caller)?;
            let moderates = caller.kind == ConversationKind::Group && caller.role == ConversationRole::Admin;
            if !moderates {
                return Err(Rejection::NotSender);
            }
        }
        if state.is_message_deleted(number) {
            return Ok(Vec::new());
        }
        let by = caller.account_id;
        let mut drafts = vec![Draft::open(MessageDeleted { conversation_id, number, deleted_by: by })];
        if state.is_pinned(number) {
            drafts.push(Draft::open(MessageUnpinned { conversation_id, number, unpinned_by: by }));
        }
        Ok(drafts)
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::ConversationEvent;
    use crate::conversation::commands::PinMessage;
    use crate::conversation::testing::*;

    use super::*;

    const FIRST: DeleteMessage = DeleteMessage { number: 1 };

    fn deleted(by: Person) -> ConversationEvent {
        MessageDeleted { conversation_id: GROUP, number: 1, deleted_by: by.account() }.into()
    }

    #[test]
    fn its_sender_and_an_admin_delete_a_message_from_any_session() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB);
        assert_eq!(given.events(BOB.without_device(), FIRST), Ok(vec![deleted(BOB)]));
        assert_eq!(given.events(ALICE.without_device(), FIRST), Ok(vec![deleted(ALICE)]));
    }

    #[test]
    fn other_members_and_strangers_do_not() {
        let given = Given::group(&[ALICE, BOB, CAROL]).committed(ALICE).sent(BOB);
        assert_eq!(given.refusal(CAROL.on(0), FIRST), Rejection::NotSender);
        assert_eq!(given.refusal(MALLORY.on(0), FIRST), Rejection::ConversationNotFound);
        assert_eq!(given.refusal(BOB.on(0), DeleteMessage { number: 2 }), Rejection::MessageNotFound);
    }

    #[test]
    fn in_a_direct_conversation_everybody_deletes_their_own() {
        let given = Given::direct(ALICE, BOB).committed(ALICE).sent(BOB).sent(ALICE);
        assert_eq!(given.refusal(ALICE.on(0), FIRST), Rejection::NotSender);
        assert_eq!(given.refusal(BOB.on(0), DeleteMessage { number: 2 }), Rejection::NotSender);
        assert_eq!(given.events(BOB.on(0), FIRST).unwrap().len(), 1);
    }

    #[test]
    fn a_pinned_message_is_unpinned_with_it() {
        let given =
            Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB).and(BOB.on(0), PinMessage { number: 1 });
        let unpinned = MessageUnpinned { conversation_id: GROUP, number: 1, unpinned_by: ALICE.account() };
        assert_eq!(given.events(ALICE.on(0), FIRST), Ok(vec![deleted(ALICE), unpinned.into()]));
    }

    #[test]
    fn deleting_again_changes_nothing() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB).and(BOB.on(0), FIRST);
        assert_eq!(given.events(ALICE.on(0), FIRST), Ok(vec![]));
    }
}
