//! Deleting a message for everyone.

use crate::conversation::{
    Conversation, ConversationKind, ConversationRole, MessageDeleted, MessageUnpinned,
};
use crate::{Context, Draft, Rejection};

use super::Decision;

/// Deletes a message for everyone; its sender or an admin.
#[derive(Clone, Debug)]
pub struct DeleteMessage {
    /// Its number.
    pub number: u64,
}

impl DeleteMessage {
    /// A pinned message is unpinned with it. In a direct conversation nobody deletes what the other wrote.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let caller = state.caller(context)?;
        let (conversation_id, number) = (caller.conversation_id, self.number);
        state.require_message(number)?;
        let moderates = caller.kind == ConversationKind::Group && caller.role == ConversationRole::Admin;
        if !moderates && !state.is_sender(number, caller.account_id) {
            return Err(Rejection::NotSender);
        }
        if state.is_message_deleted(number) {
            return Ok(Vec::new());
        }
        let by = caller.account_id;
        let mut drafts = vec![Draft::open(MessageDeleted { conversation_id, number, deleted_by: by })];
        if state.is_pinned(number) {
            drafts.push(Draft::open(MessageUnpinned { conversation_id, number, unpinned_by: by }));
        }
        Ok(drafts)
    }
}
