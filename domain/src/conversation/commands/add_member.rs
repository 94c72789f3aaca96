//! Adding a member.

use crate::Context;
use crate::conversation::{Conversation, ConversationRole};

use super::{Candidate, Decision, admit};

/// Adds a member.
#[derive(Clone, Debug)]
pub struct AddMember {
    /// Who.
    pub member: Candidate,
    /// As what.
    pub role: ConversationRole,
}

impl AddMember {
    /// The one who joins waits for wraps of the current generation; nobody has to commit a new one.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let caller = state.caller(context)?;
        caller.require_group()?;
        caller.require_admin()?;
        admit(state, [&self.member])?;
        Ok(vec![self.member.joins(caller.conversation_id, self.role, caller.account_id)])
    }
}
