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
            state.require_message(number)?;
        }
        let conversation_id = by.caller.conversation_id;
        let sent = MessageSent {
            conversation_id,
            message_id: self.message_id,
            number: state.last_number().saturating_add(1),
            sender_id: by.caller.account_id,
            device_id: by.device_id,
            generation: self.generation,
            encrypted,
            reply_to: self.reply_to,
        };
        let period = Period::at(conversation_id, context.now);
        Ok(vec![Draft::sealed_for(sent, self.body.clone(), by.caller.account_id, period)])
    }
}
