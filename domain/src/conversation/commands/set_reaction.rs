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
        state.require_live_message(self.number)?;
        let encrypted = state.accepts(&self.body, self.generation, ContentSize::Reaction)?;
        let conversation_id = by.caller.conversation_id;
        let set = ReactionSet {
            conversation_id,
            reaction_id: self.reaction_id,
            number: self.number,
            account_id: by.caller.account_id,
            device_id: by.device_id,
            slot: self.slot,
            generation: self.generation,
            encrypted,
        };
        let period = Period::at(conversation_id, context.now);
        Ok(vec![Draft::sealed_for(set, self.body.clone(), by.caller.account_id, period)])
    }
}
