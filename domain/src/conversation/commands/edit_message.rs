//! Editing a message.

use crate::conversation::rules::ContentSize;
use crate::conversation::{Conversation, MessageBody, MessageEdited};
use crate::{Context, Draft, MessageId, Period, Rejection};

use super::Decision;

/// Replaces a message's content; its sender only.
#[derive(Clone, Debug)]
pub struct EditMessage {
    /// Its number.
    pub number: u64,
    /// Its id, as sent: what the new content is bound to, so that it can pose as no other message's.
    pub message_id: MessageId,
    /// The generation that the new content is encrypted under; 0 when in clear.
    pub generation: u32,
    /// The new content.
    pub body: MessageBody,
}

impl EditMessage {
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let by = state.caller_device(context)?;
        state.require_live_message(self.number, &by.caller)?;
        if !state.is_sender(self.number, by.caller.account_id) {
            return Err(Rejection::NotSender);
        }
        if !state.is_message_id(self.number, self.message_id) {
            return Err(Rejection::MessageNotFound);
        }
        let encrypted = state.accepts(&self.body, self.generation, ContentSize::Message)?;
        let conversation_id = by.caller.conversation_id;
        let edited = MessageEdited {
            conversation_id,
            message_id: self.message_id,
            number: self.number,
            sender_id: by.caller.account_id,
            device_id: by.device.device_id,
            generation: self.generation,
            encrypted,
        };
        let period = Period::at(conversation_id, context.now);
        Ok(vec![Draft::sealed_for(edited, self.body.clone(), by.caller.account_id, period)])
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::commands::DeleteMessage;
    use crate::conversation::testing::*;

    use super::*;

    #[test]
    fn its_sender_edits_a_message() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB);
        let drafts = given.when(BOB.on(0), given.edit(1)).unwrap();
        let expected = MessageEdited {
            conversation_id: GROUP,
            message_id: given.edit(1).message_id,
            number: 1,
            sender_id: BOB.account(),
            device_id: BOB.device(0),
            generation: 1,
            encrypted: true,
        };
        let period = Period::at(GROUP, NOW);
        assert_eq!(drafts, [Draft::sealed_for(expected, given.edit(1).body, BOB.account(), period)]);
    }

    #[test]
    fn nobody_else_does_not_even_an_admin() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB);
        assert_eq!(given.refusal(ALICE.on(0), given.edit(1)), Rejection::NotSender);
        assert_eq!(given.refusal(MALLORY.on(0), given.edit(1)), Rejection::ConversationNotFound);
    }

    #[test]
    fn only_messages_that_are_there_are_edited() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB);
        assert_eq!(given.refusal(BOB.on(0), given.edit(0)), Rejection::MessageNotFound);
        assert_eq!(given.refusal(BOB.on(0), given.edit(2)), Rejection::MessageNotFound);
        let given = given.and(BOB.on(0), DeleteMessage { number: 1 });
        assert_eq!(given.refusal(BOB.on(0), given.edit(1)), Rejection::MessageDeleted);
    }

    #[test]
    fn an_edit_names_the_message_by_its_own_id() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB);
        let anothers = MessageId::from_bytes([0xa1; 16]);
        let edit = EditMessage { message_id: anothers, ..given.edit(1) };
        assert_eq!(given.refusal(BOB.on(0), edit), Rejection::MessageNotFound);
    }

    #[test]
    fn an_edit_is_under_the_rules_of_sending() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB).committed(ALICE);
        let stale = Rejection::StaleGeneration { current: 2, commit_required: false };
        assert_eq!(given.refusal(BOB.on(0), EditMessage { generation: 1, ..given.edit(1) }), stale);
        assert_eq!(given.refusal(BOB.on(1), given.edit(1)), Rejection::DeviceNotInConversation);
        let clear = EditMessage { generation: 0, body: clear_body(), ..given.edit(1) };
        assert_eq!(given.refusal(BOB.on(0), clear), Rejection::PlaintextRefused);
    }
}
