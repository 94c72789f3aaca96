//! Taking out a device or recovery key of a member.

use crate::conversation::{Conversation, RecipientRemoved};
use crate::{AccountId, Context, Draft, RecipientId};

use super::Decision;

/// Takes out a recipient that a member's account has no more. Platform only.
#[derive(Clone, Debug)]
pub struct RemoveRecipient {
    /// The member.
    pub account_id: AccountId,
    /// The recipient.
    pub recipient_id: RecipientId,
}

impl RemoveRecipient {
    /// There is nothing to do where the recipient is not active in the first place.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let conversation_id = state.platform(context)?;
        let owner = state.recipient(self.recipient_id).map(|(owner, _)| owner);
        if state.is_deleted() || owner != Some(self.account_id) {
            return Ok(Vec::new());
        }
        Ok(vec![Draft::open(RecipientRemoved {
            conversation_id,
            account_id: self.account_id,
            recipient_id: self.recipient_id,
        })])
    }
}
