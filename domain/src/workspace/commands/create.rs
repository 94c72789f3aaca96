//! Create a workspace.

use crate::aggregate::{Context, Draft};
use crate::organization::{OrganizationMember, OrganizationRole};
use crate::rejection::Rejection;
use crate::workspace::{
    Workspace, WorkspaceCreated, WorkspaceEvent, WorkspaceMemberJoined, WorkspaceProfile, WorkspaceRole,
};
use crate::{OrganizationId, WorkspaceId};

use super::change_profile::check_profile;

/// Creates the workspace; its creator becomes its admin. Owners, admins and members of the organization may; compliance
/// officers and auditors oversee and guests are only added, so they may not.
#[derive(Clone, Debug)]
pub struct CreateWorkspace {
    /// The new workspace.
    pub workspace_id: WorkspaceId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// What it tells of itself.
    pub profile: WorkspaceProfile,
    /// The creator as a member of the organization.
    pub actor_in_organization: Option<OrganizationMember>,
}

impl CreateWorkspace {
    pub(super) fn decide(
        &self,
        state: &Workspace,
        context: &Context,
    ) -> Result<Vec<Draft<WorkspaceEvent>>, Rejection> {
        let creator = context.account()?;
        let OrganizationMember { role, term } =
            self.actor_in_organization.ok_or(Rejection::OrganizationNotFound)?;
        match role {
            OrganizationRole::Owner | OrganizationRole::Admin | OrganizationRole::Member => {}
            OrganizationRole::ComplianceOfficer | OrganizationRole::Auditor | OrganizationRole::Guest => {
                return Err(Rejection::RoleInsufficient);
            }
        }
        if state.id().is_some() {
            return Err(Rejection::WorkspaceExists);
        }
        check_profile(&self.profile)?;
        let (workspace_id, organization_id) = (self.workspace_id, self.organization_id);
        let created = WorkspaceCreated { workspace_id, organization_id, creator };
        let joined = WorkspaceMemberJoined {
            workspace_id,
            account_id: creator,
            role: WorkspaceRole::Admin,
            organization_term: term,
        };
        Ok(vec![Draft::sealed(created, self.profile.clone(), organization_id), Draft::open(joined)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::{Actor, Aggregate};
    use crate::testing::{as_actor, by, given, when};
    use crate::workspace::tests::{ADMIN, ORGANIZATION, WORKSPACE, as_role, create, created};

    #[test]
    fn the_creator_becomes_admin() {
        for role in [OrganizationRole::Owner, OrganizationRole::Admin, OrganizationRole::Member] {
            assert_eq!(when(&Workspace::default(), create(as_role(role)), &by(ADMIN)), Ok(created()));
        }
        let state = given::<Workspace>(created());
        assert_eq!((state.id(), state.organization()), (Some(WORKSPACE), Some(ORGANIZATION)));
        assert_eq!(state.role(ADMIN), Some(WorkspaceRole::Admin));
    }

    #[test]
    fn overseers_guests_and_strangers_create_none() {
        let nothing = Workspace::default();
        for role in [OrganizationRole::ComplianceOfficer, OrganizationRole::Auditor, OrganizationRole::Guest]
        {
            assert_eq!(when(&nothing, create(as_role(role)), &by(ADMIN)), Err(Rejection::RoleInsufficient));
        }
        assert_eq!(when(&nothing, create(None), &by(ADMIN)), Err(Rejection::OrganizationNotFound));
        let anonymous = as_actor(Actor::ANONYMOUS);
        assert_eq!(when(&nothing, create(None), &anonymous), Err(Rejection::AccountRequired));
    }

    #[test]
    fn it_is_created_once_with_a_proper_name() {
        let role = as_role(OrganizationRole::Member);
        let again = when(&given::<Workspace>(created()), create(role), &by(ADMIN));
        assert_eq!(again, Err(Rejection::WorkspaceExists));
        let mut nameless = create(role);
        nameless.profile.name = " ".into();
        let answer = when(&Workspace::default(), nameless, &by(ADMIN));
        assert!(matches!(answer, Err(Rejection::InvalidField { field: "name", .. })));
    }
}
