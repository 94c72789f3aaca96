//! Removing a member, or leaving.

use crate::conversation::{
    Conversation, ConversationKind, ConversationMemberLeft, ConversationMemberRoleChanged, ConversationRole,
};
use crate::{AccountId, ActorKind, Context, Draft, Rejection};

use super::Decision;

/// Removes a member, or oneself. The platform itself may, when the account left the organization.
#[derive(Clone, Debug)]
pub struct RemoveMember {
    /// The member.
    pub account_id: AccountId,
}

impl RemoveMember {
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        match context.actor.kind {
            ActorKind::System => self.by_platform(state, context),
            ActorKind::Anonymous | ActorKind::Account | ActorKind::Operator => self.by_member(state, context),
        }
    }

    /// The last admin of a group stays as long as others do. A sole member may go: the conversation is then out of
    /// everybody's reach, as if it were unknown.
    fn by_member(&self, state: &Conversation, context: &Context) -> Decision {
        let caller = state.caller(context)?;
        caller.require_group()?;
        if self.account_id != caller.account_id {
            caller.require_admin()?;
            state.role(self.account_id).ok_or(Rejection::MemberNotFound)?;
        } else if state.is_last_admin(caller.account_id) && state.members().len() > 1 {
            return Err(Rejection::LastAdmin);
        }
        Ok(vec![Draft::open(ConversationMemberLeft {
            conversation_id: caller.conversation_id,
            account_id: self.account_id,
            removed_by: Some(caller.account_id),
        })])
    }

    /// The account left the organization. It goes from direct conversations too, and a group that loses its last admin
    /// gets the longest-standing member as one.
    fn by_platform(&self, state: &Conversation, context: &Context) -> Decision {
        let conversation_id = state.platform(context)?;
        if state.is_deleted() || state.role(self.account_id).is_none() {
            return Ok(Vec::new());
        }
        let mut drafts = vec![Draft::open(ConversationMemberLeft {
            conversation_id,
            account_id: self.account_id,
            removed_by: None,
        })];
        let heir = state.longest_member(self.account_id).filter(|_| {
            state.kind() == Some(ConversationKind::Group) && state.is_last_admin(self.account_id)
        });
        if let Some(account_id) = heir {
            let role = ConversationRole::Admin;
            drafts.push(Draft::open(ConversationMemberRoleChanged { conversation_id, account_id, role }));
        }
        Ok(drafts)
    }
}
