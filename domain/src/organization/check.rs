//! What an organization's own stream demands of its events.

use crate::violation::{Rule, Violation};
use crate::{AccountId, OrganizationId};

use super::{
    InvitationCreated, Organization, OrganizationEvent, OrganizationMemberJoined, OrganizationMemberRemoved,
    OrganizationRole,
};

/// The organization that the event is about.
pub(super) fn id_of(event: &OrganizationEvent) -> OrganizationId {
    match event {
        OrganizationEvent::Created(event) => event.organization_id,
        OrganizationEvent::ProfileChanged(event) => event.organization_id,
        OrganizationEvent::MemberJoined(event) => event.organization_id,
        OrganizationEvent::MemberRoleChanged(event) => event.organization_id,
        OrganizationEvent::MemberRemoved(event) => event.organization_id,
        OrganizationEvent::InvitationCreated(event) => event.organization_id,
        OrganizationEvent::InvitationRevoked(event) => event.organization_id,
    }
}

/// See [`crate::Aggregate::check`].
pub(super) fn check(state: &Organization, event: &OrganizationEvent) -> Result<(), Violation> {
    if let OrganizationEvent::Created(_) = event {
        return Rule::Begins.equal(None, state.id());
    }
    let organization_id = Rule::Begins.some(state.id(), "organization.created first", event)?;
    Rule::Identity.equal(organization_id, id_of(event))?;
    match event {
        OrganizationEvent::Created(_) | OrganizationEvent::ProfileChanged(_) => Ok(()),
        OrganizationEvent::MemberJoined(event) => joined(state, event),
        OrganizationEvent::MemberRoleChanged(event) => {
            let before = member(state, event.account_id)?;
            Rule::Role.holds(before != event.role, "another role than before", event)?;
            owner_remains(state, before, event.account_id)
        }
        OrganizationEvent::MemberRemoved(event) => removed(state, event),
        OrganizationEvent::InvitationCreated(event) => invited(state, event),
        OrganizationEvent::InvitationRevoked(event) => {
            let open = state.invitation(event.invitation_id).is_some();
            Rule::Invitation.holds(open, "an open invitation", event)
        }
    }
}

fn member(state: &Organization, account_id: AccountId) -> Result<OrganizationRole, Violation> {
    Rule::Membership.some(state.role(account_id), "a member", &account_id)
}

fn owner_remains(state: &Organization, losing: OrganizationRole, whose: AccountId) -> Result<(), Violation> {
    Rule::LastLeader.holds(state.check_owner_remains(losing).is_ok(), "another owner", &whose)
}

/// The founder joins as owner, everybody else by an invitation that still admits somebody, as what it says.
fn joined(state: &Organization, event: &OrganizationMemberJoined) -> Result<(), Violation> {
    Rule::Membership.equal(None, state.role(event.account_id))?;
    let Some(invitation_id) = event.invitation_id else {
        Rule::Invitation.holds(state.member_count() == 0, "an invitation for all but the founder", event)?;
        return Rule::Role.equal(OrganizationRole::Owner, event.role);
    };
    let invitation = state.invitation(invitation_id);
    let invitation = Rule::Invitation.some(invitation, "an invitation with uses left", event)?;
    Rule::Invitation.equal(invitation.role, event.role)?;
    let is_worth_it = state.admits(invitation, event.account_id);
    Rule::Invitation.holds(is_worth_it, "an invitation that its maker may still give", event)
}

fn removed(state: &Organization, event: &OrganizationMemberRemoved) -> Result<(), Violation> {
    let role = member(state, event.account_id)?;
    if event.removed_by != event.account_id {
        let by = member(state, event.removed_by)?;
        Rule::Role.holds(by.grants(role), "one who may give and take the role", event)?;
    }
    owner_remains(state, role, event.account_id)
}

fn invited(state: &Organization, event: &InvitationCreated) -> Result<(), Violation> {
    let by = member(state, event.created_by)?;
    Rule::Role.holds(by.grants(event.role), "one who may give the role", event)?;
    let is_new = state.invitation(event.invitation_id).is_none();
    Rule::Invitation.holds(is_new, "an id that no open invitation has", &event.invitation_id)?;
    Rule::Invitation.holds(event.uses_max > 0, "an invitation for somebody", &event.invitation_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organization::tests::*;
    use crate::organization::{InvitationRevoked, OrganizationMemberRoleChanged};
    use crate::testing::{broken, doubled, dropped, swapped};

    fn changed(account_id: AccountId, role: OrganizationRole) -> OrganizationEvent {
        OrganizationMemberRoleChanged { organization_id: ORGANIZATION, account_id, role }.into()
    }

    fn removed(account_id: AccountId, removed_by: AccountId) -> OrganizationEvent {
        OrganizationMemberRemoved { organization_id: ORGANIZATION, account_id, removed_by }.into()
    }

    /// An invitation of three uses, one of them used, withdrawn; the one it let in leads at the end.
    fn history() -> Vec<OrganizationEvent> {
        let revoked = InvitationRevoked { organization_id: ORGANIZATION, invitation_id: INVITATION };
        let events = [
            invitation_created(OWNER),
            joined_by_invitation(MEMBER, OrganizationRole::Member),
            revoked.into(),
            changed(MEMBER, OrganizationRole::Owner),
            removed(OWNER, MEMBER),
        ];
        founded().into_iter().chain(events).collect()
    }

    fn after_founding(events: &[OrganizationEvent]) -> Option<(usize, Rule)> {
        broken::<Organization>(&[&founded(), events].concat())
    }

    #[test]
    fn a_whole_history_passes() {
        assert_eq!(broken::<Organization>(&history()), None);
    }

    #[test]
    fn nothing_happens_twice() {
        use Rule::*;
        let rules = [Begins, Membership, Invitation, Membership, Invitation, Role, Membership];
        for (at, rule) in rules.into_iter().enumerate() {
            let found = broken::<Organization>(&doubled(&history(), at));
            assert_eq!(found, Some((at + 1, rule)), "event {at}");
        }
    }

    #[test]
    fn what_is_missing_or_out_of_order_is_noticed() {
        assert_eq!(broken::<Organization>(&dropped(&history(), 0)), Some((0, Rule::Begins)));
        assert_eq!(broken::<Organization>(&dropped(&history(), 2)), Some((2, Rule::Invitation)));
        assert_eq!(broken::<Organization>(&dropped(&history(), 3)), Some((4, Rule::Membership)));
        assert_eq!(broken::<Organization>(&dropped(&history(), 5)), Some((5, Rule::Role)));
        assert_eq!(broken::<Organization>(&swapped(&history(), 3)), Some((4, Rule::Invitation)));
    }

    #[test]
    fn an_invitation_lets_in_as_many_as_it_says() {
        let member = |account| joined_by_invitation(account, OrganizationRole::Member);
        let events = [invitation_created(OWNER), member(ADMIN), member(OFFICER), member(AUDITOR)];
        assert_eq!(after_founding(&events), None);
        let events = [&events[..], &[member(GUEST)]].concat();
        assert_eq!(after_founding(&events), Some((6, Rule::Invitation)));
    }

    #[test]
    fn nobody_joins_as_more_than_the_invitation_says_or_without_one() {
        let admin = joined_by_invitation(MEMBER, OrganizationRole::Admin);
        assert_eq!(after_founding(&[invitation_created(OWNER), admin]), Some((3, Rule::Invitation)));
        let OrganizationEvent::MemberJoined(mut alone) =
            joined_by_invitation(MEMBER, OrganizationRole::Member)
        else {
            panic!()
        };
        alone.invitation_id = None;
        assert_eq!(after_founding(&[alone.into()]), Some((2, Rule::Invitation)));
    }

    #[test]
    fn nobody_joins_by_an_invitation_from_before_a_removal_of_them_or_of_its_maker() {
        let member = |account| joined_by_invitation(account, OrganizationRole::Member);
        let before = [invitation_created(OWNER), member(MEMBER), removed(MEMBER, OWNER), member(MEMBER)];
        assert_eq!(after_founding(&before), Some((5, Rule::Invitation)));
        let promoted = changed(MEMBER, OrganizationRole::Owner);
        let maker =
            [invitation_created(OWNER), member(MEMBER), promoted, removed(OWNER, MEMBER), member(GUEST)];
        assert_eq!(after_founding(&maker), Some((6, Rule::Invitation)));
    }

    #[test]
    fn the_last_owner_stays_one() {
        assert_eq!(after_founding(&[removed(OWNER, OWNER)]), Some((2, Rule::LastLeader)));
        let demoted = changed(OWNER, OrganizationRole::Admin);
        assert_eq!(after_founding(&[demoted]), Some((2, Rule::LastLeader)));
    }

    #[test]
    fn strangers_and_members_neither_invite_nor_remove() {
        assert_eq!(after_founding(&[invitation_created(STRANGER)]), Some((2, Rule::Membership)));
        assert_eq!(after_founding(&[removed(OWNER, STRANGER)]), Some((2, Rule::Membership)));
        let member = joined_by_invitation(MEMBER, OrganizationRole::Member);
        let events = [invitation_created(OWNER), member, removed(OWNER, MEMBER)];
        assert_eq!(after_founding(&events), Some((4, Rule::Role)));
    }
}
