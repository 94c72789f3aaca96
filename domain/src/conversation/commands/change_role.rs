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

#[cfg(test)]
mod tests {
    use crate::conversation::testing::*;

    use super::*;

    fn appoint(person: Person, role: ConversationRole) -> ChangeRole {
        ChangeRole { account_id: person.account(), role }
    }

    #[test]
    fn an_admin_appoints_another() {
        let given = Given::group(&[ALICE, BOB]);
        let role = ConversationRole::Admin;
        let changed =
            ConversationMemberRoleChanged { conversation_id: GROUP, account_id: BOB.account(), role };
        assert_eq!(given.events(ALICE.on(0), appoint(BOB, role)), Ok(vec![changed.into()]));
        assert_eq!(
            given.and(ALICE.on(0), appoint(BOB, role)).events(BOB.on(0), appoint(BOB, role)),
            Ok(vec![])
        );
    }

    #[test]
    fn the_last_admin_does_not_step_down() {
        let given = Given::group(&[ALICE, BOB]);
        let down = appoint(ALICE, ConversationRole::Member);
        assert_eq!(given.refusal(ALICE.on(0), down.clone()), Rejection::LastAdmin);
        let given = given.and(ALICE.on(0), appoint(BOB, ConversationRole::Admin));
        assert_eq!(given.events(ALICE.on(0), down).unwrap().len(), 1);
    }

    #[test]
    fn others_are_refused() {
        let given = Given::group(&[ALICE, BOB]);
        let admin = |person| appoint(person, ConversationRole::Admin);
        assert_eq!(given.refusal(BOB.on(0), admin(BOB)), Rejection::RoleInsufficient);
        assert_eq!(given.refusal(MALLORY.on(0), admin(MALLORY)), Rejection::ConversationNotFound);
        assert_eq!(given.refusal(ALICE.on(0), admin(CAROL)), Rejection::MemberNotFound);
        assert_eq!(Given::direct(ALICE, BOB).refusal(ALICE.on(0), admin(BOB)), Rejection::DirectIsFixed);
    }
}
