//! Adding a member.

use crate::Context;
use crate::conversation::{Conversation, ConversationRole};

use super::{Admission, Candidate, Decision};

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
        let admission = Admission {
            conversation_id: caller.conversation_id,
            workspace_id: state.workspace(),
            added_by: caller.account_id,
            earlier: state.earlier(),
        };
        admission.admit(state, [(&self.member, self.role)].into_iter())
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::commands::{CreateConversation, RemoveMember};
    use crate::conversation::testing::*;
    use crate::conversation::{
        ConversationEvent, ConversationMemberJoined, ConversationMemberLeft, Earlier, Recipient,
    };
    use crate::{Rejection, limits};

    use super::*;

    fn add(person: Person) -> AddMember {
        AddMember { member: person.candidate(), role: ConversationRole::Member }
    }

    #[test]
    fn an_admin_adds_a_member_who_then_waits_for_wraps() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE);
        let joined = ConversationMemberJoined {
            conversation_id: GROUP,
            account_id: CAROL.account(),
            role: ConversationRole::Member,
            added_by: ALICE.account(),
            organization_term: TERM,
            workspace: None,
            earlier: Earlier { generation: 1, ..Earlier::NOTHING },
            recipients: CAROL.candidate().recipients,
        };
        assert_eq!(given.events(ALICE.on(0), add(CAROL)), Ok(vec![joined.into()]));
        let given = given.and(ALICE.on(0), add(CAROL));
        assert_eq!(given.state.waiting().collect::<Vec<_>>(), CAROL.recipient_keys());
        assert!(!given.state.commit_required());
    }

    #[test]
    fn members_and_strangers_do_not() {
        let given = Given::group(&[ALICE, BOB]);
        assert_eq!(given.refusal(BOB.on(0), add(CAROL)), Rejection::RoleInsufficient);
        assert_eq!(given.refusal(MALLORY.on(0), add(CAROL)), Rejection::ConversationNotFound);
    }

    #[test]
    fn a_direct_conversation_keeps_its_two() {
        assert_eq!(Given::direct(ALICE, BOB).refusal(ALICE.on(0), add(CAROL)), Rejection::DirectIsFixed);
    }

    #[test]
    fn only_members_of_the_organization_are_added_and_once() {
        let given = Given::group(&[ALICE, BOB]);
        let mut outsider = add(CAROL);
        outsider.member.in_organization = None;
        let expected = Rejection::NotOrganizationMember { account_id: CAROL.account() };
        assert_eq!(given.refusal(ALICE.on(0), outsider), expected);
        assert_eq!(given.refusal(ALICE.on(0), add(BOB)), Rejection::MemberExists);
    }

    #[test]
    fn only_members_of_its_workspace_are_added_to_a_conversation_that_lies_in_one() {
        let given = Given::in_workspace(&[ALICE, BOB]);
        let by = in_workspace(ALICE.on(0));
        let outsider = given.refusal(by, add(CAROL));
        assert_eq!(outsider, Rejection::NotWorkspaceMember { account_id: CAROL.account() });
        let member = AddMember { member: of_workspace(CAROL.candidate()), ..add(CAROL) };
        let events = given.events(by, member).unwrap();
        let [ConversationEvent::MemberJoined(joined)] = &events[..] else { panic!("one joins: {events:?}") };
        assert_eq!(joined.workspace, Some(WORKSPACE_TERM));
    }

    #[test]
    fn who_came_back_to_the_organization_joins_anew_once_their_old_membership_is_down() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE);
        let back = || AddMember { member: back_again(BOB.candidate()), ..add(BOB) };
        let left =
            ConversationMemberLeft { conversation_id: GROUP, account_id: BOB.account(), removed_by: None };
        let events = given.events(ALICE.on(0), back()).unwrap();
        assert_eq!(events[0], left.into());
        assert!(matches!(&events[1..], [ConversationEvent::MemberJoined(_)]));
        let given = given.and(ALICE.on(0), back());
        assert!(given.state.commit_required() && given.state.role(BOB.account()).is_some());
        assert_eq!(given.refusal(ALICE.on(0), back()), Rejection::MemberExists);
    }

    #[test]
    fn an_id_that_somebody_here_has_keeps_nobody_out_and_takes_nothing_over() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE);
        let member = MALLORY.with_devices_of(BOB);
        let given = given.and(ALICE.on(0), AddMember { member, role: ConversationRole::Member });
        assert_eq!(given.state.recipient(BOB.device_key(0)), Some(&BOB.device_recipient(0)));
        let copied = MALLORY.device_key_of(BOB);
        assert_eq!(given.state.recipient(copied).unwrap().hpke_key, MALLORY.device_recipient(0).hpke_key);
        assert!(given.state.is_waiting(copied) && !given.state.is_waiting(BOB.device_key(0)));
        // The one who has the device speaks from it, and its wraps are known by its key.
        let message = given.message();
        assert!(given.when(BOB.on(0), message.clone()).is_ok());
        let borrowed = Context { device: Some(BOB.device(0)), ..MALLORY.on(0) };
        let sent = given.events(borrowed, message).unwrap();
        assert!(
            matches!(&sent[..], [ConversationEvent::MessageSent(sent)] if sent.sender_id == MALLORY.account())
        );
        let wrap = given.late_wrap(BOB, copied);
        assert!(!given.and(BOB.on(0), wrap).state.is_waiting(copied));
    }

    #[test]
    fn one_who_goes_takes_their_own_recipients_along_only() {
        let given = Given::group(&[ALICE, BOB]);
        let member = CAROL.with_devices_of(BOB);
        let given = given
            .and(ALICE.on(0), AddMember { member, role: ConversationRole::Member })
            .committed(BOB)
            .and(ALICE.on(0), RemoveMember { account_id: CAROL.account() });
        assert_eq!(given.state.recipients_of(BOB.account()).count(), 2);
        assert_eq!(given.state.recipients_of(CAROL.account()).count(), 0);
        assert!(given.committed(BOB).sent(BOB).state.has_message(1));
    }

    #[test]
    fn an_account_names_a_recipient_once() {
        let given = Given::group(&[ALICE, BOB]);
        let mut twice = add(MALLORY);
        twice.member.recipients[1].recipient_id = twice.member.recipients[0].recipient_id;
        assert_eq!(given.refusal(ALICE.on(0), twice), Rejection::DeviceExists);
    }

    #[test]
    fn members_and_recipients_are_limited() {
        let full = |count: usize, each: usize| {
            let members = (0..count).map(|n| numbered(n, each)).collect();
            let create = CreateConversation { members, ..create_group(ALICE, &[]) };
            Given::default().events(ALICE.on(0), create)
        };
        assert!(full(limits::CONVERSATION_MEMBERS_MAX - 1, 0).is_ok());
        let limit = limits::CONVERSATION_MEMBERS_MAX;
        assert_eq!(full(limit, 0), Err(Rejection::MemberLimit { limit }));
        let limit = limits::GENERATION_WRAPS_MAX;
        assert_eq!(full(limit / 8, 8), Err(Rejection::RecipientLimit { limit }));
    }

    fn numbered(n: usize, recipients: usize) -> Candidate {
        let id = |k: usize| {
            let mut bytes = [0x77; 16];
            bytes[0] = k as u8;
            bytes[8..].copy_from_slice(&(n as u64).to_be_bytes());
            bytes
        };
        let template = MALLORY.device_recipient(0);
        let recipient =
            |k| Recipient { recipient_id: crate::RecipientId::from_bytes(id(k)), ..template.clone() };
        Candidate {
            account_id: crate::AccountId::from_bytes(id(255)),
            recipients: (0..recipients).map(recipient).collect(),
            ..MALLORY.candidate()
        }
    }
}
