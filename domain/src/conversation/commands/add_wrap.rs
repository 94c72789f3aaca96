//! Giving a recipient that came later its wrap.

use crate::conversation::{Conversation, Wrap, WrapAdded};
use crate::{Context, Draft, Rejection};

use super::Decision;

/// Gives a waiting recipient its wrap of the current generation.
#[derive(Clone, Debug)]
pub struct AddWrap {
    /// Which generation: the current one.
    pub generation: u32,
    /// The wrap.
    pub wrap: Wrap,
}

impl AddWrap {
    /// Also a waiting device may, for itself: it has the generation key when its owner opened the recovery wrap with it.
    /// Wraps of a generation that is about to be replaced are still taken: they open what was sent under it.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let by = state.caller_device(context)?;
        state.require_current(self.generation)?;
        let recipient_id = self.wrap.recipient_id;
        if state.recipient(recipient_id).is_none() {
            return Err(Rejection::RecipientNotFound);
        }
        if !state.is_waiting(recipient_id) {
            return Err(Rejection::WrapExists);
        }
        let suite = state.suite().ok_or(Rejection::WrapInvalid { recipient_id })?;
        state.require_valid_wrap(&self.wrap, &by, (self.generation, suite, state.transcript()))?;
        Ok(vec![Draft::open(WrapAdded {
            conversation_id: by.caller.conversation_id,
            generation: self.generation,
            account_id: by.caller.account_id,
            device_id: by.device_id,
            wrap: self.wrap.clone(),
        })])
    }
}
