//! Reporting a wrap that cannot be opened.

use crate::conversation::{Conversation, WrapReported};
use crate::{Context, Draft, RecipientId, Rejection};

use super::Decision;

/// Reports that the device's wrap (or its account's recovery wrap) of the current generation cannot be opened.
#[derive(Clone, Debug)]
pub struct ReportWrap {
    /// Which generation: the current one.
    pub generation: u32,
    /// The recipient.
    pub recipient_id: RecipientId,
}

impl ReportWrap {
    /// Other accounts' recipients look unknown. A recipient that waits already has nothing to report.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let caller = state.caller(context)?;
        state.require_current(self.generation)?;
        let owner = state.recipient(self.recipient_id).map(|(owner, _)| owner);
        if owner != Some(caller.account_id) {
            return Err(Rejection::RecipientNotFound);
        }
        if state.is_waiting(self.recipient_id) {
            return Ok(Vec::new());
        }
        Ok(vec![Draft::open(WrapReported {
            conversation_id: caller.conversation_id,
            generation: self.generation,
            account_id: caller.account_id,
            recipient_id: self.recipient_id,
        })])
    }
}
