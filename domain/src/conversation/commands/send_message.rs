//! Sending a message.

use crate::conversation::rules::ContentSize;
use crate::conversation::{Conversation, MessageBody, MessageSent};
use crate::{Context, Draft, MessageId, Period};

use super::Decision;

/// Sends a message. `body.cipher` is there exactly when the message is encrypted.
#[derive(Clone, Debug)]
pub struct SendMessage {
    /// The message.
    pub message_id: MessageId,
    /// The generation that it is encrypted under; 0 when in clear.
    pub generation: u32,
    /// Number of the message that it answers.
    pub reply_to: Option<u64>,
    /// Its content.
    pub body: MessageBody,
}

impl SendMessage {
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let by = state.caller_device(context)?;
        let encrypted = state.accepts(&self.body, self.generation, ContentSize::Message)?;
        if let Some(number) = self.reply_to {
            state.require_message(number, &by.caller)?;
        }
        let conversation_id = by.caller.conversation_id;
        let sent = MessageSent {
            conversation_id,
            message_id: self.message_id,
            number: state.last_number().saturating_add(1),
            sender_id: by.caller.account_id,
            device_id: by.device.device_id,
            generation: self.generation,
            encrypted,
            reply_to: self.reply_to,
        };
        let period = Period::at(conversation_id, context.now);
        Ok(vec![Draft::sealed_for(sent, self.body.clone(), by.caller.account_id, period)])
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::commands::{
        AddMember, ConversationCommand, DeleteConversation, RemoveMember, RemoveRecipient,
    };
    use crate::conversation::testing::*;
    use crate::conversation::{ConversationEvent, ConversationRole};
    use crate::{Blob, Rejection, limits};

    use super::*;

    #[test]
    fn a_member_sends_under_the_current_generation_with_the_next_number() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB);
        let drafts = given.when(ALICE.on(0), SendMessage { reply_to: Some(1), ..given.message() }).unwrap();
        let expected = MessageSent {
            conversation_id: GROUP,
            message_id: given.message().message_id,
            number: 2,
            sender_id: ALICE.account(),
            device_id: ALICE.device(0),
            generation: 1,
            encrypted: true,
            reply_to: Some(1),
        };
        let period = Period::at(GROUP, NOW);
        assert_eq!(drafts, [Draft::sealed_for(expected, given.message().body, ALICE.account(), period)]);
    }

    #[test]
    fn to_a_stranger_the_conversation_is_unknown() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE);
        assert_eq!(given.refusal(MALLORY.on(0), given.message()), Rejection::ConversationNotFound);
        assert_eq!(Given::default().refusal(ALICE.on(0), given.message()), Rejection::ConversationNotFound);
        assert_eq!(given.refusal(platform(), given.message()), Rejection::AccountRequired);
    }

    #[test]
    fn a_member_who_left_sends_no_more() {
        let given = Given::group(&[ALICE, BOB])
            .committed(ALICE)
            .and(BOB.on(0), RemoveMember { account_id: BOB.account() });
        assert_eq!(given.refusal(BOB.on(0), given.message()), Rejection::ConversationNotFound);
    }

    #[test]
    fn only_the_senders_own_active_device_sends() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE);
        let refused = |context| given.refusal(context, given.message());
        assert_eq!(refused(ALICE.without_device()), Rejection::DeviceRequired);
        assert_eq!(refused(ALICE.on(1)), Rejection::DeviceNotInConversation);
        let anothers = Context { device: Some(BOB.device(0)), ..ALICE.on(0) };
        assert_eq!(refused(anothers), Rejection::DeviceNotInConversation);
        let recovery = crate::DeviceId::from_bytes(*ALICE.recovery_recipient().recipient_id.as_bytes());
        assert_eq!(
            refused(Context { device: Some(recovery), ..ALICE.on(0) }),
            Rejection::DeviceNotInConversation
        );
    }

    #[test]
    fn a_removed_device_sends_no_more_even_after_the_next_commit() {
        let given = Given::group(&[ALICE, BOB])
            .committed(ALICE)
            .and(
                platform(),
                RemoveRecipient { account_id: BOB.account(), recipient_id: BOB.device(0).into() },
            )
            .committed(ALICE);
        assert_eq!(given.refusal(BOB.on(0), given.message()), Rejection::DeviceNotInConversation);
    }

    #[test]
    fn nothing_encrypted_is_sent_before_the_first_commit() {
        let given = Given::group(&[ALICE, BOB]);
        for generation in [0, 1] {
            assert_eq!(
                given.refusal(ALICE.on(0), SendMessage { generation, ..given.message() }),
                Rejection::StaleGeneration { current: 0, commit_required: true }
            );
        }
    }

    #[test]
    fn a_generation_before_or_after_the_current_one_is_stale() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).committed(BOB);
        for generation in [0, 1, 3] {
            assert_eq!(
                given.refusal(ALICE.on(0), SendMessage { generation, ..given.message() }),
                Rejection::StaleGeneration { current: 2, commit_required: false }
            );
        }
    }

    #[test]
    fn nothing_is_sent_between_a_departure_and_the_next_commit() {
        let ready = Given::group(&[ALICE, BOB, CAROL]).committed(ALICE);
        let departures: [(Context, ConversationCommand); 3] = [
            (CAROL.on(0), RemoveMember { account_id: CAROL.account() }.into()),
            (platform(), ended(CAROL).into()),
            (
                platform(),
                RemoveRecipient { account_id: CAROL.account(), recipient_id: CAROL.device(0).into() }.into(),
            ),
        ];
        for (context, command) in departures {
            let given = ready.clone().and(context, command);
            let stale = Rejection::StaleGeneration { current: 1, commit_required: true };
            assert_eq!(given.refusal(ALICE.on(0), given.message()), stale);
            let given = given.committed(BOB);
            assert_eq!(given.events(ALICE.on(0), given.message()).unwrap().len(), 1);
        }
    }

    #[test]
    fn a_newcomer_stops_nobody_from_sending() {
        let given = Given::group(&[ALICE, BOB])
            .committed(ALICE)
            .and(ALICE.on(0), AddMember { member: CAROL.candidate(), role: ConversationRole::Member });
        assert_eq!(given.state.waiting().len(), 2);
        assert_eq!(given.events(BOB.on(0), given.message()).unwrap().len(), 1);
    }

    #[test]
    fn clear_content_is_taken_only_where_it_is_allowed() {
        let clear = SendMessage { generation: 0, body: clear_body(), ..Given::default().message() };
        let given = Given::group(&[ALICE, BOB]).committed(ALICE);
        assert_eq!(given.refusal(ALICE.on(0), clear.clone()), Rejection::PlaintextRefused);
        let given = Given::open_group(&[ALICE, BOB]);
        let events = given.events(ALICE.on(0), clear.clone()).unwrap();
        assert!(
            matches!(&events[..], [ConversationEvent::MessageSent(sent)] if !sent.encrypted && sent.generation == 0)
        );
        let claimed = given.refusal(ALICE.on(0), SendMessage { generation: 1, ..clear });
        assert!(matches!(claimed, Rejection::InvalidField { field: "generation", .. }));
    }

    #[test]
    fn content_is_neither_empty_nor_too_long() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE);
        let with = |bytes: usize| {
            let body = MessageBody { content: Blob::new(vec![0; bytes]), ..encrypted_body() };
            given.events(ALICE.on(0), SendMessage { body, ..given.message() })
        };
        assert!(matches!(with(0), Err(Rejection::InvalidField { field: "content", .. })));
        assert!(with(limits::MESSAGE_CIPHERTEXT_BYTES_MAX).is_ok());
        assert!(matches!(
            with(limits::MESSAGE_CIPHERTEXT_BYTES_MAX + 1),
            Err(Rejection::InvalidField { field: "content", .. })
        ));
    }

    #[test]
    fn only_messages_that_are_there_are_answered() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB);
        for number in [0, 2] {
            let answer = SendMessage { reply_to: Some(number), ..given.message() };
            assert_eq!(given.refusal(ALICE.on(0), answer), Rejection::MessageNotFound);
        }
    }

    #[test]
    fn a_deleted_conversation_takes_no_messages() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).and(ALICE.on(0), DeleteConversation {});
        assert_eq!(given.refusal(BOB.on(0), given.message()), Rejection::ConversationDeleted);
        assert_eq!(given.refusal(MALLORY.on(0), given.message()), Rejection::ConversationNotFound);
    }
}
