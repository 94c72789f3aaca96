//! Remove a member from a workspace.

use crate::AccountId;
use crate::aggregate::{Context, Draft};
use crate::organization::OrganizationMember;
use crate::rejection::Rejection;
use crate::workspace::{Workspace, WorkspaceEvent, WorkspaceMemberRemoved};

/// Removes a member, or oneself. Everybody may leave; the workspace's admins remove others, and so do owners and admins of
/// the organization; only the latter remove the last admin.
#[derive(Clone, Debug)]
pub struct RemoveWorkspaceMember {
    /// The member.
    pub account_id: AccountId,
    /// The actor as a member of the organization.
    pub actor_in_organization: Option<OrganizationMember>,
}

impl RemoveWorkspaceMember {
    pub(super) fn decide(
        &self,
        state: &Workspace,
        context: &Context,
    ) -> Result<Vec<Draft<WorkspaceEvent>>, Rejection> {
        let account_id = self.account_id;
        let actor = state.insider(context, self.actor_in_organization)?;
        if actor.account_id != account_id {
            actor.check_manages()?;
        }
        state.check_open()?;
        let role = state.role(account_id).ok_or(Rejection::MemberNotFound)?;
        state.check_admin_remains(&actor, role)?;
        let removed_by = Some(actor.account_id);
        let removed = WorkspaceMemberRemoved { workspace_id: actor.workspace_id, account_id, removed_by };
        Ok(vec![Draft::open(removed)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{by, when};
    use crate::workspace::tests::{
        ADMIN, AS_ADMIN, AS_MEMBER, MEMBER, STRANGER, WORKSPACE, archived, back_again, populated,
    };

    fn remove(account_id: AccountId, own: Option<OrganizationMember>) -> RemoveWorkspaceMember {
        RemoveWorkspaceMember { account_id, actor_in_organization: own }
    }

    fn removed(account_id: AccountId, by: Option<AccountId>) -> Result<Vec<WorkspaceEvent>, Rejection> {
        Ok(vec![WorkspaceMemberRemoved { workspace_id: WORKSPACE, account_id, removed_by: by }.into()])
    }

    #[test]
    fn members_leave_and_admins_remove() {
        let state = populated();
        assert_eq!(when(&state, remove(MEMBER, AS_MEMBER), &by(MEMBER)), removed(MEMBER, Some(MEMBER)));
        assert_eq!(when(&state, remove(MEMBER, AS_MEMBER), &by(ADMIN)), removed(MEMBER, Some(ADMIN)));
        let answer = when(&state, remove(ADMIN, AS_MEMBER), &by(MEMBER));
        assert_eq!(answer, Err(Rejection::RoleInsufficient));
        let answer = when(&state, remove(STRANGER, AS_MEMBER), &by(ADMIN));
        assert_eq!(answer, Err(Rejection::MemberNotFound));
        let answer = when(&state, remove(MEMBER, AS_MEMBER), &by(STRANGER));
        assert_eq!(answer, Err(Rejection::WorkspaceNotFound));
        let answer = when(&archived(), remove(MEMBER, AS_MEMBER), &by(MEMBER));
        assert_eq!(answer, Err(Rejection::WorkspaceArchived));
    }

    #[test]
    fn whoever_is_back_in_the_organization_is_a_stranger_here() {
        let answer = when(&populated(), remove(MEMBER, back_again(AS_MEMBER)), &by(MEMBER));
        assert_eq!(answer, Err(Rejection::WorkspaceNotFound));
    }

    #[test]
    fn the_last_admin_goes_only_by_the_organizations_managers() {
        let state = populated();
        assert_eq!(when(&state, remove(ADMIN, AS_MEMBER), &by(ADMIN)), Err(Rejection::LastAdmin));
        assert_eq!(when(&state, remove(ADMIN, AS_ADMIN), &by(STRANGER)), removed(ADMIN, Some(STRANGER)));
    }
}
