//! Bringing in a new device or recovery key of a member.

use crate::conversation::{Conversation, Recipient, RecipientAdded};
use crate::{AccountId, Context, Draft, Rejection, limits};

use super::Decision;

/// Brings in a recipient that a member's account has got since. Platform only.
#[derive(Clone, Debug)]
pub struct AddRecipient {
    /// The member.
    pub account_id: AccountId,
    /// The recipient.
    pub recipient: Recipient,
}

impl AddRecipient {
    /// There is nothing to do where the account is no member any more or has the recipient already.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let conversation_id = state.platform(context)?;
        if state.is_deleted() || state.role(self.account_id).is_none() {
            return Ok(Vec::new());
        }
        if let Some((owner, known)) = state.recipient(self.recipient.recipient_id) {
            let same = owner == self.account_id && *known == self.recipient;
            return if same { Ok(Vec::new()) } else { Err(Rejection::DeviceExists) };
        }
        if state.recipients().len() >= limits::GENERATION_WRAPS_MAX {
            return Err(Rejection::RecipientLimit { limit: limits::GENERATION_WRAPS_MAX });
        }
        Ok(vec![Draft::open(RecipientAdded {
            conversation_id,
            account_id: self.account_id,
            recipient: self.recipient.clone(),
        })])
    }
}
