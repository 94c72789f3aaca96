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

#[cfg(test)]
mod tests {
    use crate::conversation::ConversationEvent;
    use crate::conversation::testing::*;
    use crate::{ConversationId, Rejection};

    use super::*;

    fn deleted(conversation_id: ConversationId, by: Person) -> Result<Vec<ConversationEvent>, Rejection> {
        Ok(vec![ConversationDeleted { conversation_id, deleted_by: by.account() }.into()])
    }

    #[test]
    fn an_admin_deletes_a_group() {
        let given = Given::group(&[ALICE, BOB]);
        assert_eq!(given.events(ALICE.on(0), DeleteConversation {}), deleted(GROUP, ALICE));
        assert_eq!(given.refusal(BOB.on(0), DeleteConversation {}), Rejection::RoleInsufficient);
        assert_eq!(given.refusal(MALLORY.on(0), DeleteConversation {}), Rejection::ConversationNotFound);
    }

    #[test]
    fn either_member_deletes_a_direct_conversation() {
        let given = Given::direct(ALICE, BOB);
        let id = given.state.id().unwrap();
        assert_eq!(given.events(ALICE.on(0), DeleteConversation {}), deleted(id, ALICE));
        assert_eq!(given.events(BOB.on(0), DeleteConversation {}), deleted(id, BOB));
    }

    #[test]
    fn once_is_for_good() {
        let given = Given::group(&[ALICE, BOB]).and(ALICE.on(0), DeleteConversation {});
        assert!(given.state.is_deleted());
        assert_eq!(given.refusal(ALICE.on(0), DeleteConversation {}), Rejection::ConversationDeleted);
    }
}
