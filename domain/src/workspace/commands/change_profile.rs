//! Change what a workspace tells of itself.

use crate::aggregate::{Aggregate, Context, Draft};
use crate::limits::DESCRIPTION_CHARS_MAX;
use crate::organization::OrganizationMember;
use crate::rejection::Rejection;
use crate::text::{check_name, check_text};
use crate::workspace::{Workspace, WorkspaceEvent, WorkspaceProfile, WorkspaceProfileChanged};

/// Replaces what the workspace tells of itself. Its admins may, and owners and admins of the organization.
#[derive(Clone, Debug)]
pub struct ChangeWorkspaceProfile {
    /// The new profile.
    pub profile: WorkspaceProfile,
    /// The actor as a member of the organization.
    pub actor_in_organization: Option<OrganizationMember>,
}

impl ChangeWorkspaceProfile {
    pub(super) fn decide(
        &self,
        state: &Workspace,
        context: &Context,
    ) -> Result<Vec<Draft<WorkspaceEvent>>, Rejection> {
        let actor = state.manager(context, self.actor_in_organization)?;
        let organization_id = state.organization().ok_or(Rejection::WorkspaceNotFound)?;
        check_profile(&self.profile)?;
        let changed = WorkspaceProfileChanged { workspace_id: actor.workspace_id };
        Ok(vec![Draft::sealed(changed, self.profile.clone(), organization_id)])
    }
}

pub(super) fn check_profile(profile: &WorkspaceProfile) -> Result<(), Rejection> {
    check_name("name", &profile.name)?;
    let description = profile.description.as_deref();
    description.map_or(Ok(()), |text| check_text("description", text, DESCRIPTION_CHARS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{by, when};
    use crate::workspace::tests::{
        ADMIN, AS_ADMIN, AS_GUEST, AS_MEMBER, MEMBER, STRANGER, WORKSPACE, archived, populated,
    };

    fn change(name: &str, role: Option<OrganizationMember>) -> ChangeWorkspaceProfile {
        let description = Some("what for\nand why".into());
        let profile = WorkspaceProfile { name: name.into(), description };
        ChangeWorkspaceProfile { profile, actor_in_organization: role }
    }

    #[test]
    fn those_who_manage_change_it() {
        let state = populated();
        let changed: Result<Vec<WorkspaceEvent>, _> =
            Ok(vec![WorkspaceProfileChanged { workspace_id: WORKSPACE }.into()]);
        assert_eq!(when(&state, change("New", AS_MEMBER), &by(ADMIN)), changed);
        assert_eq!(when(&state, change("New", AS_ADMIN), &by(STRANGER)), changed);
        assert_eq!(when(&state, change("New", AS_MEMBER), &by(MEMBER)), Err(Rejection::RoleInsufficient));
    }

    #[test]
    fn it_is_unknown_to_outsiders_and_to_members_who_left_the_organization() {
        let state = populated();
        for (role, actor) in [(AS_MEMBER, STRANGER), (AS_GUEST, STRANGER), (None, ADMIN), (None, STRANGER)] {
            assert_eq!(when(&state, change("New", role), &by(actor)), Err(Rejection::WorkspaceNotFound));
        }
        let nothing = Workspace::default();
        assert_eq!(when(&nothing, change("New", AS_ADMIN), &by(ADMIN)), Err(Rejection::WorkspaceNotFound));
    }

    #[test]
    fn an_archived_one_stays_as_it_is() {
        let answer = when(&archived(), change("New", AS_ADMIN), &by(ADMIN));
        assert_eq!(answer, Err(Rejection::WorkspaceArchived));
    }

    #[test]
    fn name_and_description_are_checked() {
        let state = populated();
        let mut command = change("New", AS_MEMBER);
        command.profile.description = Some("x".repeat(DESCRIPTION_CHARS_MAX + 1));
        let answer = when(&state, command, &by(ADMIN));
        assert!(matches!(answer, Err(Rejection::InvalidField { field: "description", .. })));
        let answer = when(&state, change("", AS_MEMBER), &by(ADMIN));
        assert!(matches!(answer, Err(Rejection::InvalidField { field: "name", .. })));
    }
}
