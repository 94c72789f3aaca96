//! Giving a member another role.

use crate::conversation::{Conversation, ConversationMemberRoleChanged, ConversationRole};
use crate::{AccountId, Context, Draft, Rejection};

use super::Decision;

/// Gives a member another role.
#[derive(Clone, Debug)]
pub struct ChangeRole {
    /// The member.
    pub account_id: AccountId,
    /// The role.
    pub role: ConversationRole,
}

impl ChangeRole {
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let caller = state.caller(context)?;
        caller.require_group()?;
        caller.require_admin()?;
        let role = state.role(self.account_id).ok_or(Rejection::MemberNotFound)?;
        if role == self.role {
            return Ok(Vec::new());
        }
        if state.is_last_admin(self.account_id) {
            return Err(Rejection::LastAdmin);
        }
        Ok(vec![Draft::open(ConversationMemberRoleChanged {
            conversation_id: caller.conversation_id,
            account_id: self.account_id,
            role: self.role,
        })])
    }
}
