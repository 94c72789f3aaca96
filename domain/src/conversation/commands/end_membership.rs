//! Taking down a membership whose term in organization or workspace has ended.

use crate::conversation::{
    Conversation, ConversationKind, ConversationMemberLeft, ConversationMemberRoleChanged, ConversationRole,
    EndedTerms,
};
use crate::{AccountId, Context, Draft};

use super::Decision;

/// Takes down the membership of whoever left the organization or the workspace. Platform only. The membership has been worth
/// nothing since the term ended; with this its recipients go, too, and a new generation is due.
#[derive(Clone, Debug)]
pub struct EndMembership {
    /// The member.
    pub account_id: AccountId,
    /// What has ended.
    pub ended: EndedTerms,
}

impl EndMembership {
    /// The account goes from direct conversations too, and a group that loses its last admin gets the longest-standing member
    /// as one. There is nothing to do where the membership is gone, or rests on later terms.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let conversation_id = state.platform(context)?;
        let has_ended = state.terms(self.account_id).is_some_and(|terms| self.ended.end(&terms));
        if state.is_deleted() || !has_ended {
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
    use crate::conversation::testing::*;
    use crate::conversation::{ConversationEvent, WorkspaceTerm};
    use crate::{Rejection, WorkspaceId};

    use super::*;

    fn left(person: Person) -> ConversationEvent {
        let account_id = person.account();
        ConversationMemberLeft { conversation_id: GROUP, account_id, removed_by: None }.into()
    }

    fn becomes_admin(person: Person) -> ConversationEvent {
        let role = ConversationRole::Admin;
        ConversationMemberRoleChanged { conversation_id: GROUP, account_id: person.account(), role }.into()
    }

    #[test]
    fn the_platform_alone_ends_it_once_and_leaves_no_group_without_admin() {
        let given = Given::group(&[BOB, CAROL, ALICE]);
        assert_eq!(given.refusal(BOB.on(0), ended(ALICE)), Rejection::PlatformOnly);
        assert_eq!(given.events(platform(), ended(ALICE)), Ok(vec![left(ALICE)]));
        let heir = Ok(vec![left(BOB), becomes_admin(CAROL)]);
        assert_eq!(given.events(platform(), ended(BOB)), heir, "Carol has been here longer than Alice");
        assert_eq!(given.and(platform(), ended(BOB)).events(platform(), ended(BOB)), Ok(vec![]));
    }

    #[test]
    fn a_direct_conversation_is_left_too() {
        let events = Given::direct(ALICE, BOB).events(platform(), ended(ALICE)).unwrap();
        assert!(matches!(&events[..], [ConversationEvent::MemberLeft(_)]));
    }

    #[test]
    fn a_membership_of_later_terms_goes_on() {
        let given = Given::in_workspace(&[ALICE, BOB]);
        let end = |ended| EndMembership { account_id: BOB.account(), ended };
        let WorkspaceTerm { workspace_id, term } = WORKSPACE_TERM;
        let elsewhere = WorkspaceId::from_bytes([1; 16]);
        for goes_on in [
            EndedTerms::Organization { before: TERM },
            EndedTerms::Workspace { workspace_id, before: term },
            EndedTerms::Workspace { workspace_id: elsewhere, before: term + 1 },
        ] {
            assert_eq!(given.events(platform(), end(goes_on)), Ok(vec![]), "{goes_on:?}");
        }
        for over in [
            EndedTerms::Organization { before: TERM + 1 },
            EndedTerms::Workspace { workspace_id, before: term + 1 },
        ] {
            assert_eq!(given.events(platform(), end(over)), Ok(vec![left(BOB)]));
        }
    }

    #[test]
    fn nobody_is_a_member_whose_term_has_ended() {
        let group = Given::group(&[ALICE, BOB]).committed(ALICE);
        for context in [out_of_organization(BOB.on(0)), back_in_organization(BOB.on(0))] {
            assert_eq!(group.refusal(context, group.message()), Rejection::ConversationNotFound);
        }
        let given = Given::in_workspace(&[ALICE, BOB]);
        for context in [BOB.on(0), out_of_workspace(BOB.on(0)), back_in_workspace(BOB.on(0))] {
            assert_eq!(given.refusal(context, given.message()), Rejection::ConversationNotFound);
        }
    }

    #[test]
    fn an_archived_workspace_takes_no_change() {
        let given = Given::in_workspace(&[ALICE, BOB]);
        for command in every_change(&given) {
            assert_eq!(given.refusal(archived(ALICE.on(0)), command), Rejection::WorkspaceArchived);
        }
    }
}
