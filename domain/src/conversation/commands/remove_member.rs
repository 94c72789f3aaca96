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

#[cfg(test)]
mod tests {
    use crate::conversation::ConversationEvent;
    use crate::conversation::commands::ChangeRole;
    use crate::conversation::testing::*;

    use super::*;

    fn remove(person: Person) -> RemoveMember {
        RemoveMember { account_id: person.account() }
    }

    fn left(person: Person, by: Option<Person>) -> ConversationEvent {
        let removed_by = by.map(Person::account);
        ConversationMemberLeft { conversation_id: GROUP, account_id: person.account(), removed_by }.into()
    }

    fn becomes_admin(person: Person) -> ConversationEvent {
        let role = ConversationRole::Admin;
        ConversationMemberRoleChanged { conversation_id: GROUP, account_id: person.account(), role }.into()
    }

    #[test]
    fn an_admin_removes_and_everybody_leaves_by_themselves() {
        let given = Given::group(&[ALICE, BOB, CAROL]);
        assert_eq!(given.events(ALICE.on(0), remove(BOB)), Ok(vec![left(BOB, Some(ALICE))]));
        assert_eq!(given.events(BOB.on(0), remove(BOB)), Ok(vec![left(BOB, Some(BOB))]));
        assert_eq!(given.refusal(BOB.on(0), remove(CAROL)), Rejection::RoleInsufficient);
        assert_eq!(given.refusal(MALLORY.on(0), remove(BOB)), Rejection::ConversationNotFound);
        assert_eq!(given.refusal(ALICE.on(0), remove(MALLORY)), Rejection::MemberNotFound);
    }

    #[test]
    fn who_leaves_takes_their_recipients_along_and_a_commit_is_due() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).and(BOB.on(0), remove(BOB));
        assert_eq!(given.state.recipients_of(BOB.account()).count(), 0);
        assert_eq!(given.state.recipients().len(), 2);
        assert!(given.state.commit_required());
    }

    #[test]
    fn the_last_admin_stays_as_long_as_others_do() {
        let given = Given::group(&[ALICE, BOB]);
        assert_eq!(given.refusal(ALICE.on(0), remove(ALICE)), Rejection::LastAdmin);
        let two = given
            .clone()
            .and(ALICE.on(0), ChangeRole { account_id: BOB.account(), role: ConversationRole::Admin });
        assert_eq!(two.events(ALICE.on(0), remove(ALICE)).unwrap().len(), 1);
        let alone = given.and(ALICE.on(0), remove(BOB));
        assert_eq!(alone.events(ALICE.on(0), remove(ALICE)), Ok(vec![left(ALICE, Some(ALICE))]));
        assert_eq!(
            alone.and(ALICE.on(0), remove(ALICE)).refusal(ALICE.on(0), remove(ALICE)),
            Rejection::ConversationNotFound
        );
    }

    #[test]
    fn the_platform_removes_once_and_leaves_no_group_without_admin() {
        let given = Given::group(&[BOB, CAROL, ALICE]);
        assert_eq!(given.events(platform(), remove(ALICE)), Ok(vec![left(ALICE, None)]));
        let heir = Ok(vec![left(BOB, None), becomes_admin(CAROL)]);
        assert_eq!(given.events(platform(), remove(BOB)), heir, "Carol has been here longer than Alice");
        assert_eq!(given.and(platform(), remove(BOB)).events(platform(), remove(BOB)), Ok(vec![]));
    }

    #[test]
    fn a_direct_conversation_is_left_by_the_platform_only() {
        let given = Given::direct(ALICE, BOB);
        assert_eq!(given.refusal(ALICE.on(0), remove(ALICE)), Rejection::DirectIsFixed);
        assert_eq!(given.refusal(ALICE.on(0), remove(BOB)), Rejection::DirectIsFixed);
        let events = given.events(platform(), remove(ALICE)).unwrap();
        assert!(matches!(&events[..], [ConversationEvent::MemberLeft(_)]));
    }
}
