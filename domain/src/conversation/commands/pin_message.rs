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
        state.require_live_message(self.number)?;
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
