//! Naming a conversation.

use crate::conversation::{Conversation, ConversationKind, ConversationTitle, ConversationTitleChanged};
use crate::{Context, Draft};

use super::Decision;

/// Replaces the title.
#[derive(Clone, Debug)]
pub struct ChangeTitle {
    /// The new one.
    pub title: ConversationTitle,
}

impl ChangeTitle {
    /// Admins of a group; in a direct conversation, which has a topic only, both.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let caller = state.caller(context)?;
        if caller.kind == ConversationKind::Group {
            caller.require_admin()?;
        }
        let title = self.title.tidied(caller.kind)?;
        let changed = ConversationTitleChanged {
            conversation_id: caller.conversation_id,
            changed_by: caller.account_id,
        };
        Ok(vec![Draft::sealed(changed, title, caller.account_id)])
    }
}
