//! Deleting a conversation.

use crate::conversation::{Conversation, ConversationDeleted, ConversationKind};
use crate::{Context, Draft};

use super::Decision;

/// Deletes the conversation; an admin, or either member of a direct one.
#[derive(Clone, Debug)]
pub struct DeleteConversation {}

impl DeleteConversation {
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let caller = state.caller(context)?;
        if caller.kind == ConversationKind::Group {
            caller.require_admin()?;
        }
        Ok(vec![Draft::open(ConversationDeleted {
            conversation_id: caller.conversation_id,
            deleted_by: caller.account_id,
        })])
    }
}
