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
        state.require_message(self.number)?;
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
