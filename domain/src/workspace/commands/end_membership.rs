//! End a membership whose term in the organization has ended.

use crate::AccountId;
use crate::aggregate::{ActorKind, Context, Draft};
use crate::rejection::Rejection;
use crate::workspace::{Workspace, WorkspaceEvent, WorkspaceMemberRemoved};

/// Takes down the membership of whoever left the organization, in an archived workspace, too. The platform alone does; there
/// is nothing to do where the membership is gone, or of a later term: whoever came back and was added anew stays.
#[derive(Clone, Debug)]
pub struct EndWorkspaceMembership {
    /// Whose.
    pub account_id: AccountId,
    /// Terms in the organization that began before this revision have ended.
    pub organization_before: u64,
}

impl EndWorkspaceMembership {
    pub(super) fn decide(
        &self,
        state: &Workspace,
        context: &Context,
    ) -> Result<Vec<Draft<WorkspaceEvent>>, Rejection> {
        if context.actor.kind != ActorKind::System {
            return Err(Rejection::PlatformOnly);
        }
        let workspace_id = state.id().ok_or(Rejection::WorkspaceNotFound)?;
        let account_id = self.account_id;
        let ended =
            state.recorded(account_id).filter(|member| member.organization_term < self.organization_before);
        let removed = WorkspaceMemberRemoved { workspace_id, account_id, removed_by: None };
        Ok(ended.map(|_| Draft::open(removed)).into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Actor;
    use crate::testing::{as_actor, by, happen, when};
    use crate::workspace::tests::{ADMIN, MEMBER, TERM, WORKSPACE, archived, populated};

    fn end(account_id: AccountId, organization_before: u64) -> EndWorkspaceMembership {
        EndWorkspaceMembership { account_id, organization_before }
    }

    #[test]
    fn the_platform_alone_ends_it_once_even_of_the_last_admin_or_in_an_archived_workspace() {
        let system = as_actor(Actor::SYSTEM);
        assert_eq!(when(&populated(), end(ADMIN, TERM + 1), &by(ADMIN)), Err(Rejection::PlatformOnly));
        for mut state in [populated(), archived()] {
            for account_id in [ADMIN, MEMBER] {
                let removed =
                    WorkspaceMemberRemoved { workspace_id: WORKSPACE, account_id, removed_by: None };
                let answer = happen(&mut state, end(account_id, TERM + 1), &system);
                assert_eq!(answer, Ok(vec![removed.into()]));
                assert_eq!(when(&state, end(account_id, TERM + 1), &system), Ok(vec![]));
            }
        }
    }

    #[test]
    fn a_later_term_goes_on() {
        assert_eq!(when(&populated(), end(MEMBER, TERM), &as_actor(Actor::SYSTEM)), Ok(vec![]));
    }
}
