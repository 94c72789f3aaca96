//! Archive a workspace.

use crate::aggregate::{Context, Draft};
use crate::organization::OrganizationMember;
use crate::rejection::Rejection;
use crate::workspace::{Workspace, WorkspaceArchived, WorkspaceEvent};

/// Archives the workspace, for good. Its admins may, and owners and admins of the organization. Archiving it again does
/// nothing.
#[derive(Clone, Debug)]
pub struct ArchiveWorkspace {
    /// The actor as a member of the organization.
    pub actor_in_organization: Option<OrganizationMember>,
}

impl ArchiveWorkspace {
    pub(super) fn decide(
        &self,
        state: &Workspace,
        context: &Context,
    ) -> Result<Vec<Draft<WorkspaceEvent>>, Rejection> {
        let actor = state.insider(context, self.actor_in_organization)?;
        actor.check_manages()?;
        if state.is_archived() {
            return Ok(Vec::new());
        }
        Ok(vec![Draft::open(WorkspaceArchived { workspace_id: actor.workspace_id })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{by, happen, when};
    use crate::workspace::tests::{ADMIN, AS_ADMIN, AS_MEMBER, MEMBER, STRANGER, WORKSPACE, populated};

    #[test]
    fn those_who_manage_archive_it_once() {
        let mut state = populated();
        let archive = |role| ArchiveWorkspace { actor_in_organization: role };
        assert_eq!(when(&state, archive(AS_MEMBER), &by(MEMBER)), Err(Rejection::RoleInsufficient));
        assert_eq!(when(&state, archive(AS_MEMBER), &by(STRANGER)), Err(Rejection::WorkspaceNotFound));
        assert!(when(&state, archive(AS_ADMIN), &by(STRANGER)).is_ok());
        let archived = WorkspaceArchived { workspace_id: WORKSPACE };
        assert_eq!(happen(&mut state, archive(AS_MEMBER), &by(ADMIN)), Ok(vec![archived.into()]));
        assert!(state.is_archived());
        assert_eq!(when(&state, archive(AS_MEMBER), &by(ADMIN)), Ok(vec![]));
    }
}
