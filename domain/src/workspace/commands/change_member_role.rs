//! Change a workspace member's role.

use crate::AccountId;
use crate::aggregate::{Context, Draft};
use crate::organization::OrganizationMember;
use crate::rejection::Rejection;
use crate::workspace::{Workspace, WorkspaceEvent, WorkspaceMemberRoleChanged, WorkspaceRole};

/// Gives a member another role. The workspace's admins may, and owners and admins of the organization; only the latter
/// take the role from the last admin. Giving the role that the member has does nothing.
#[derive(Clone, Debug)]
pub struct ChangeWorkspaceMemberRole {
    /// The member.
    pub account_id: AccountId,
    /// The role.
    pub role: WorkspaceRole,
    /// The actor as a member of the organization.
    pub actor_in_organization: Option<OrganizationMember>,
}

impl ChangeWorkspaceMemberRole {
    pub(super) fn decide(
        &self,
        state: &Workspace,
        context: &Context,
    ) -> Result<Vec<Draft<WorkspaceEvent>>, Rejection> {
        let actor = state.manager(context, self.actor_in_organization)?;
        let account_id = self.account_id;
        let before = state.role(account_id).ok_or(Rejection::MemberNotFound)?;
        if before == self.role {
            return Ok(Vec::new());
        }
        state.check_admin_remains(&actor, before)?;
        let workspace_id = actor.workspace_id;
        Ok(vec![Draft::open(WorkspaceMemberRoleChanged { workspace_id, account_id, role: self.role })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{by, happen, when};
    use crate::workspace::tests::{
        ADMIN, AS_ADMIN, AS_MEMBER, MEMBER, STRANGER, WORKSPACE, archived, populated,
    };

    fn change(
        account_id: AccountId,
        role: WorkspaceRole,
        own: Option<OrganizationMember>,
    ) -> ChangeWorkspaceMemberRole {
        ChangeWorkspaceMemberRole { account_id, role, actor_in_organization: own }
    }

    #[test]
    fn admins_change_roles_members_do_not() {
        let state = populated();
        let promote = || change(MEMBER, WorkspaceRole::Admin, AS_MEMBER);
        let changed = WorkspaceMemberRoleChanged {
            workspace_id: WORKSPACE,
            account_id: MEMBER,
            role: WorkspaceRole::Admin,
        };
        assert_eq!(when(&state, promote(), &by(ADMIN)), Ok(vec![changed.into()]));
        assert_eq!(when(&state, promote(), &by(MEMBER)), Err(Rejection::RoleInsufficient));
        let same = change(MEMBER, WorkspaceRole::Member, AS_MEMBER);
        assert_eq!(when(&state, same, &by(ADMIN)), Ok(vec![]));
        let unknown = change(STRANGER, WorkspaceRole::Admin, AS_MEMBER);
        assert_eq!(when(&state, unknown, &by(ADMIN)), Err(Rejection::MemberNotFound));
        assert_eq!(when(&archived(), promote(), &by(ADMIN)), Err(Rejection::WorkspaceArchived));
    }

    #[test]
    fn the_last_admin_steps_down_only_for_the_organizations_managers() {
        let mut state = populated();
        let step_down = |own| change(ADMIN, WorkspaceRole::Member, own);
        assert_eq!(when(&state, step_down(AS_MEMBER), &by(ADMIN)), Err(Rejection::LastAdmin));
        assert!(when(&state, step_down(AS_ADMIN), &by(STRANGER)).is_ok());
        happen(&mut state, change(MEMBER, WorkspaceRole::Admin, AS_MEMBER), &by(ADMIN)).expect("taken");
        assert!(when(&state, step_down(AS_MEMBER), &by(ADMIN)).is_ok());
    }
}
