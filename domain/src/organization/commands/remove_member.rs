//! Remove a member.

use crate::AccountId;
use crate::aggregate::{Context, Draft};
use crate::organization::{Organization, OrganizationEvent, OrganizationMemberRemoved};
use crate::rejection::Rejection;

/// Removes a member, or oneself. An owner removes everybody, an admin everybody but owners; the last owner stays.
#[derive(Clone, Debug)]
pub struct RemoveMember {
    /// The member.
    pub account_id: AccountId,
}

impl RemoveMember {
    pub(super) fn decide(
        &self,
        state: &Organization,
        context: &Context,
    ) -> Result<Vec<Draft<OrganizationEvent>>, Rejection> {
        let (organization_id, actor, actor_role) = state.actor(context)?;
        if self.account_id != actor && !actor_role.manages() {
            return Err(Rejection::RoleInsufficient);
        }
        let role = state.role(self.account_id).ok_or(Rejection::MemberNotFound)?;
        if self.account_id != actor && !actor_role.grants(role) {
            return Err(Rejection::RoleInsufficient);
        }
        state.check_owner_remains(role)?;
        let removed =
            OrganizationMemberRemoved { organization_id, account_id: self.account_id, removed_by: actor };
        Ok(vec![Draft::open(removed)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organization::OrganizationRole;
    use crate::organization::commands::ChangeMemberRole;
    use crate::organization::tests::{
        ADMIN, AUDITOR, GUEST, MEMBER, OFFICER, ORGANIZATION, OWNER, STRANGER, populated,
    };
    use crate::testing::{by, happen, when};

    fn remove(account_id: AccountId) -> RemoveMember {
        RemoveMember { account_id }
    }

    fn removed(account_id: AccountId, removed_by: AccountId) -> Result<Vec<OrganizationEvent>, Rejection> {
        Ok(vec![OrganizationMemberRemoved { organization_id: ORGANIZATION, account_id, removed_by }.into()])
    }

    #[test]
    fn everybody_but_the_last_owner_may_leave() {
        let state = populated();
        for actor in [ADMIN, OFFICER, AUDITOR, MEMBER, GUEST] {
            assert_eq!(when(&state, remove(actor), &by(actor)), removed(actor, actor));
        }
        assert_eq!(when(&state, remove(OWNER), &by(OWNER)), Err(Rejection::LastOwner));
    }

    #[test]
    fn owners_and_admins_remove_others_but_admins_no_owner() {
        let mut state = populated();
        assert_eq!(when(&state, remove(MEMBER), &by(ADMIN)), removed(MEMBER, ADMIN));
        assert_eq!(when(&state, remove(ADMIN), &by(OWNER)), removed(ADMIN, OWNER));
        let promote = ChangeMemberRole { account_id: MEMBER, role: OrganizationRole::Owner };
        happen(&mut state, promote, &by(OWNER)).expect("taken");
        assert_eq!(when(&state, remove(OWNER), &by(ADMIN)), Err(Rejection::RoleInsufficient));
        assert_eq!(when(&state, remove(OWNER), &by(MEMBER)), removed(OWNER, MEMBER));
        for actor in [OFFICER, AUDITOR, GUEST] {
            assert_eq!(when(&state, remove(MEMBER), &by(actor)), Err(Rejection::RoleInsufficient));
        }
    }

    #[test]
    fn strangers_are_neither_removed_nor_told_anything() {
        let state = populated();
        assert_eq!(when(&state, remove(STRANGER), &by(OWNER)), Err(Rejection::MemberNotFound));
        // The answer to somebody who does not manage does not tell members from strangers.
        assert_eq!(when(&state, remove(STRANGER), &by(GUEST)), Err(Rejection::RoleInsufficient));
        assert_eq!(when(&state, remove(MEMBER), &by(STRANGER)), Err(Rejection::OrganizationNotFound));
    }

    #[test]
    fn who_left_is_a_stranger() {
        let mut state = populated();
        happen(&mut state, remove(MEMBER), &by(MEMBER)).expect("taken");
        assert_eq!(state.role(MEMBER), None);
        assert_eq!(when(&state, remove(MEMBER), &by(MEMBER)), Err(Rejection::OrganizationNotFound));
    }
}
