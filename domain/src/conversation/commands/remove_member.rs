//! Removing a member, or leaving.

use crate::conversation::{Conversation, ConversationMemberLeft};
use crate::{AccountId, Context, Draft, Rejection};

use super::Decision;

/// Removes a member, or oneself.
#[derive(Clone, Debug)]
pub struct RemoveMember {
    /// The member.
    pub account_id: AccountId,
}

impl RemoveMember {
    /// The last admin of a group stays as long as others do. A sole member may go: the conversation is then out of
    /// everybody's reach, as if it were unknown. Leaving is possible in an archived workspace, too.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let reader = state.reader(context)?;
        let caller = if self.account_id == reader.account_id { reader } else { state.caller(context)? };
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
}

#[cfg(test)]
mod tests {
    use crate::conversation::commands::ChangeRole;
    use crate::conversation::testing::*;
    use crate::conversation::{ConversationEvent, ConversationRole};

    use super::*;

    fn remove(person: Person) -> RemoveMember {
        RemoveMember { account_id: person.account() }
    }

    fn left(person: Person, by: Option<Person>) -> ConversationEvent {
        let removed_by = by.map(Person::account);
        ConversationMemberLeft { conversation_id: GROUP, account_id: person.account(), removed_by }.into()
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
    fn an_archived_workspace_can_be_left_and_nobody_is_removed_from_it() {
        let given = Given::in_workspace(&[ALICE, BOB]);
        assert_eq!(given.events(archived(BOB.on(0)), remove(BOB)), Ok(vec![left(BOB, Some(BOB))]));
        assert_eq!(given.refusal(archived(ALICE.on(0)), remove(BOB)), Rejection::WorkspaceArchived);
    }

    #[test]
    fn a_direct_conversation_is_not_left() {
        let given = Given::direct(ALICE, BOB);
        assert_eq!(given.refusal(ALICE.on(0), remove(ALICE)), Rejection::DirectIsFixed);
        assert_eq!(given.refusal(ALICE.on(0), remove(BOB)), Rejection::DirectIsFixed);
        assert_eq!(given.refusal(platform(), remove(ALICE)), Rejection::AccountRequired);
    }
}
