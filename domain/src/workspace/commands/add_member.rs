//! Add a member to a workspace.

use crate::AccountId;
use crate::aggregate::{Context, Draft};
use crate::limits::WORKSPACE_MEMBERS_MAX;
use crate::organization::OrganizationMember;
use crate::rejection::Rejection;
use crate::workspace::{
    Workspace, WorkspaceEvent, WorkspaceMemberJoined, WorkspaceMemberRemoved, WorkspaceRole,
};

/// Adds a member of the organization. The workspace's admins may, and owners and admins of the organization, who may add
/// themselves, too.
#[derive(Clone, Debug)]
pub struct AddWorkspaceMember {
    /// Who is added.
    pub account_id: AccountId,
    /// As what.
    pub role: WorkspaceRole,
    /// The added account as a member of the organization.
    pub member_in_organization: Option<OrganizationMember>,
    /// The actor as a member of the organization.
    pub actor_in_organization: Option<OrganizationMember>,
}

impl AddWorkspaceMember {
    pub(super) fn decide(
        &self,
        state: &Workspace,
        context: &Context,
    ) -> Result<Vec<Draft<WorkspaceEvent>>, Rejection> {
        let actor = state.manager(context, self.actor_in_organization)?;
        let account_id = self.account_id;
        let Some(OrganizationMember { term, .. }) = self.member_in_organization else {
            return Err(Rejection::NotOrganizationMember { account_id });
        };
        if state.member(account_id, self.member_in_organization).is_some() {
            return Err(Rejection::MemberExists);
        }
        let workspace_id = actor.workspace_id;
        // A membership of an earlier term in the organization, which has ended without being taken down yet.
        let stale = state.recorded(account_id).map(|_| WorkspaceMemberRemoved {
            workspace_id,
            account_id,
            removed_by: None,
        });
        if stale.is_none() && state.member_count() >= WORKSPACE_MEMBERS_MAX {
            return Err(Rejection::MemberLimit { limit: WORKSPACE_MEMBERS_MAX });
        }
        let joined =
            WorkspaceMemberJoined { workspace_id, account_id, role: self.role, organization_term: term };
        Ok(stale.map(Draft::open).into_iter().chain([Draft::open(joined)]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{by, when};
    use crate::workspace::tests::{
        ADMIN, AS_ADMIN, AS_GUEST, AS_MEMBER, MEMBER, STRANGER, WORKSPACE, archived, back_again, joined,
        populated,
    };

    fn add(account_id: AccountId, theirs: Option<OrganizationMember>) -> AddWorkspaceMember {
        AddWorkspaceMember {
            account_id,
            role: WorkspaceRole::Member,
            member_in_organization: theirs,
            actor_in_organization: AS_MEMBER,
        }
    }

    #[test]
    fn admins_add_members_of_the_organization() {
        let state = populated();
        let expected = Ok(vec![joined(STRANGER, WorkspaceRole::Member)]);
        assert_eq!(when(&state, add(STRANGER, AS_GUEST), &by(ADMIN)), expected);
        let oneself = AddWorkspaceMember { actor_in_organization: AS_ADMIN, ..add(STRANGER, AS_ADMIN) };
        assert_eq!(when(&state, oneself, &by(STRANGER)), expected);
        let answer = when(&state, add(STRANGER, None), &by(ADMIN));
        assert_eq!(answer, Err(Rejection::NotOrganizationMember { account_id: STRANGER }));
    }

    #[test]
    fn a_membership_of_an_earlier_term_in_the_organization_is_none() {
        let state = populated();
        let member = back_again(AS_MEMBER);
        let admin = AddWorkspaceMember { actor_in_organization: member, ..add(STRANGER, AS_MEMBER) };
        assert_eq!(when(&state, admin, &by(ADMIN)), Err(Rejection::WorkspaceNotFound));
        let removed =
            WorkspaceMemberRemoved { workspace_id: WORKSPACE, account_id: MEMBER, removed_by: None };
        let joined = WorkspaceMemberJoined {
            workspace_id: WORKSPACE,
            account_id: MEMBER,
            role: WorkspaceRole::Member,
            organization_term: member.expect("a member").term,
        };
        let answer = when(&state, add(MEMBER, member), &by(ADMIN));
        assert_eq!(answer, Ok(vec![removed.into(), joined.into()]));
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
