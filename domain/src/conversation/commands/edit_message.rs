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
    /// Its id, as sent.
    pub message_id: MessageId,
    /// The generation that the new content is encrypted under; 0 when in clear.
    pub generation: u32,
    /// The new content.
    pub body: MessageBody,
}

impl EditMessage {
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let by = state.caller_device(context)?;
        state.require_live_message(self.number)?;
        if !state.is_sender(self.number, by.caller.account_id) {
            return Err(Rejection::NotSender);
        }
        let encrypted = state.accepts(&self.body, self.generation, ContentSize::Message)?;
        let conversation_id = by.caller.conversation_id;
        let edited = MessageEdited {
            conversation_id,
            message_id: self.message_id,
            number: self.number,
            sender_id: by.caller.account_id,
            device_id: by.device_id,
            generation: self.generation,
            encrypted,
        };
        let period = Period::at(conversation_id, context.now);
        Ok(vec![Draft::sealed_for(edited, self.body.clone(), by.caller.account_id, period)])
    }
}
