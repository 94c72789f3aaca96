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
        state.require_message(self.number)?;
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
