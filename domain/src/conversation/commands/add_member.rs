//! Adding a member.

use crate::Context;
use crate::conversation::{Conversation, ConversationRole};

use super::{Candidate, Decision, admit};

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
        admit(state, [&self.member])?;
        Ok(vec![self.member.joins(caller.conversation_id, self.role, caller.account_id)])
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::commands::CreateConversation;
    use crate::conversation::testing::*;
    use crate::conversation::{ConversationMemberJoined, Recipient};
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
            recipients: CAROL.candidate().recipients,
        };
        assert_eq!(given.events(ALICE.on(0), add(CAROL)), Ok(vec![joined.into()]));
        let given = given.and(ALICE.on(0), add(CAROL));
        let waiting: Vec<_> = given.state.waiting().collect();
        assert_eq!(waiting, [CAROL.device(0).into(), CAROL.recovery_recipient().recipient_id]);
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
        outsider.member.organization_role = None;
        let expected = Rejection::NotOrganizationMember { account_id: CAROL.account() };
        assert_eq!(given.refusal(ALICE.on(0), outsider), expected);
        assert_eq!(given.refusal(ALICE.on(0), add(BOB)), Rejection::MemberExists);
    }

    #[test]
    fn a_recipient_of_somebody_here_is_not_taken_over() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE);
        let mut thief = add(MALLORY);
        thief.member.recipients[0].recipient_id = BOB.device(0).into();
        assert_eq!(given.refusal(ALICE.on(0), thief), Rejection::DeviceExists);
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
