//! Add a member to a workspace.

use crate::AccountId;
use crate::aggregate::{Context, Draft};
use crate::limits::WORKSPACE_MEMBERS_MAX;
use crate::organization::OrganizationRole;
use crate::rejection::Rejection;
use crate::workspace::{Workspace, WorkspaceEvent, WorkspaceMemberJoined, WorkspaceRole};

/// Adds a member of the organization. The workspace's admins may, and owners and admins of the organization, who may add
/// themselves, too.
#[derive(Clone, Debug)]
pub struct AddWorkspaceMember {
    /// Who is added.
    pub account_id: AccountId,
    /// As what.
    pub role: WorkspaceRole,
    /// The role of the added account in the organization.
    pub member_organization_role: Option<OrganizationRole>,
    /// The actor's role in the organization.
    pub actor_organization_role: Option<OrganizationRole>,
}

impl AddWorkspaceMember {
    pub(super) fn decide(
        &self,
        state: &Workspace,
        context: &Context,
    ) -> Result<Vec<Draft<WorkspaceEvent>>, Rejection> {
        let actor = state.manager(context, self.actor_organization_role)?;
        let account_id = self.account_id;
        if self.member_organization_role.is_none() {
            return Err(Rejection::NotOrganizationMember { account_id });
        }
        if state.role(account_id).is_some() {
            return Err(Rejection::MemberExists);
        }
        if state.member_count() >= WORKSPACE_MEMBERS_MAX {
            return Err(Rejection::MemberLimit { limit: WORKSPACE_MEMBERS_MAX });
        }
        let joined = WorkspaceMemberJoined { workspace_id: actor.workspace_id, account_id, role: self.role };
        Ok(vec![Draft::open(joined)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{by, when};
    use crate::workspace::tests::{
        ADMIN, AS_ADMIN, AS_GUEST, AS_MEMBER, MEMBER, STRANGER, archived, joined, populated,
    };

    fn add(account_id: AccountId, theirs: Option<OrganizationRole>) -> AddWorkspaceMember {
        AddWorkspaceMember {
            account_id,
            role: WorkspaceRole::Member,
            member_organization_role: theirs,
            actor_organization_role: AS_MEMBER,
        }
    }

    #[test]
    fn admins_add_members_of_the_organization() {
        let state = populated();
        let expected = Ok(vec![joined(STRANGER, WorkspaceRole::Member)]);
        assert_eq!(when(&state, add(STRANGER, AS_GUEST), &by(ADMIN)), expected);
        let oneself = AddWorkspaceMember { actor_organization_role: AS_ADMIN, ..add(STRANGER, AS_ADMIN) };
        assert_eq!(when(&state, oneself, &by(STRANGER)), expected);
        let answer = when(&state, add(STRANGER, None), &by(ADMIN));
        assert_eq!(answer, Err(Rejection::NotOrganizationMember { account_id: STRANGER }));
    }

    #[test]
    fn others_add_nobody_and_nobody_is_added_twice() {
        let state = populated();
        let answer = when(&state, add(STRANGER, AS_MEMBER), &by(MEMBER));
        assert_eq!(answer, Err(Rejection::RoleInsufficient));
        let answer = when(&state, add(STRANGER, AS_MEMBER), &by(STRANGER));
        assert_eq!(answer, Err(Rejection::WorkspaceNotFound));
        assert_eq!(when(&state, add(MEMBER, AS_MEMBER), &by(ADMIN)), Err(Rejection::MemberExists));
        let answer = when(&archived(), add(STRANGER, AS_MEMBER), &by(ADMIN));
        assert_eq!(answer, Err(Rejection::WorkspaceArchived));
    }
}
