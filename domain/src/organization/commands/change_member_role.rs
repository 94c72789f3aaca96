//! Change a member's role.

use crate::AccountId;
use crate::aggregate::{Context, Draft};
use crate::organization::{Organization, OrganizationEvent, OrganizationMemberRoleChanged, OrganizationRole};
use crate::rejection::Rejection;

/// Gives a member another role. An owner gives and takes every role, an admin every role but owner; the last owner stays
/// one. Giving the role that the member has does nothing.
#[derive(Clone, Debug)]
pub struct ChangeMemberRole {
    /// The member.
    pub account_id: AccountId,
    /// The role.
    pub role: OrganizationRole,
}

impl ChangeMemberRole {
    pub(super) fn decide(
        &self,
        state: &Organization,
        context: &Context,
    ) -> Result<Vec<Draft<OrganizationEvent>>, Rejection> {
        let (organization_id, _, actor_role) = state.manager(context)?;
        let before = state.role(self.account_id).ok_or(Rejection::MemberNotFound)?;
        if !actor_role.grants(before) || !actor_role.grants(self.role) {
            return Err(Rejection::RoleInsufficient);
        }
        if before == self.role {
            return Ok(Vec::new());
        }
        state.check_owner_remains(before)?;
        let account_id = self.account_id;
        Ok(vec![Draft::open(OrganizationMemberRoleChanged { organization_id, account_id, role: self.role })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organization::tests::{
        ADMIN, AUDITOR, GUEST, MEMBER, OFFICER, ORGANIZATION, OWNER, STRANGER, populated,
    };
    use crate::testing::{by, happen, when};

    fn change(account_id: AccountId, role: OrganizationRole) -> ChangeMemberRole {
        ChangeMemberRole { account_id, role }
    }

    #[test]
    fn an_owner_gives_every_role_an_admin_all_but_owner() {
        let state = populated();
        for role in OrganizationRole::ALL.iter().copied().filter(|role| *role != OrganizationRole::Guest) {
            let changed =
                OrganizationMemberRoleChanged { organization_id: ORGANIZATION, account_id: GUEST, role };
            let expected: Result<Vec<OrganizationEvent>, _> = Ok(vec![changed.into()]);
            assert_eq!(when(&state, change(GUEST, role), &by(OWNER)), expected);
            let by_admin = when(&state, change(GUEST, role), &by(ADMIN));
            let refused = role == OrganizationRole::Owner;
            assert_eq!(by_admin, if refused { Err(Rejection::RoleInsufficient) } else { expected });
        }
    }

    #[test]
    fn an_admin_does_not_touch_an_owner_and_others_touch_nobody() {
        let state = populated();
        let demote = || change(OWNER, OrganizationRole::Member);
        assert_eq!(when(&state, demote(), &by(ADMIN)), Err(Rejection::RoleInsufficient));
        for actor in [OFFICER, AUDITOR, MEMBER, GUEST] {
            let promote_oneself = change(actor, OrganizationRole::Admin);
            assert_eq!(when(&state, promote_oneself, &by(actor)), Err(Rejection::RoleInsufficient));
        }
        assert_eq!(when(&state, demote(), &by(STRANGER)), Err(Rejection::OrganizationNotFound));
    }

    #[test]
    fn the_last_owner_stays_until_there_is_another() {
        let mut state = populated();
        let step_down = || change(OWNER, OrganizationRole::Member);
        assert_eq!(when(&state, step_down(), &by(OWNER)), Err(Rejection::LastOwner));
        happen(&mut state, change(ADMIN, OrganizationRole::Owner), &by(OWNER)).expect("taken");
        assert!(happen(&mut state, step_down(), &by(OWNER)).is_ok());
        let other = change(ADMIN, OrganizationRole::Member);
        assert_eq!(when(&state, other, &by(ADMIN)), Err(Rejection::LastOwner));
    }

    #[test]
    fn the_same_role_does_nothing_and_strangers_have_none() {
        let state = populated();
        assert_eq!(when(&state, change(MEMBER, OrganizationRole::Member), &by(OWNER)), Ok(vec![]));
        assert_eq!(when(&state, change(OWNER, OrganizationRole::Owner), &by(OWNER)), Ok(vec![]));
        let answer = when(&state, change(STRANGER, OrganizationRole::Member), &by(OWNER));
        assert_eq!(answer, Err(Rejection::MemberNotFound));
    }
}
