//! What a workspace's own stream demands of its events.
//!
//! Owners and admins of its organization manage it without being members, which this stream does not tell: so neither the
//! author of a change nor the last admin is judged here.

use crate::WorkspaceId;
use crate::violation::{Rule, Violation};

use super::{Workspace, WorkspaceEvent, WorkspaceRole};

/// The workspace that the event is about.
pub(super) fn id_of(event: &WorkspaceEvent) -> WorkspaceId {
    match event {
        WorkspaceEvent::Created(event) => event.workspace_id,
        WorkspaceEvent::ProfileChanged(event) => event.workspace_id,
        WorkspaceEvent::MemberJoined(event) => event.workspace_id,
        WorkspaceEvent::MemberRoleChanged(event) => event.workspace_id,
        WorkspaceEvent::MemberRemoved(event) => event.workspace_id,
        WorkspaceEvent::Archived(event) => event.workspace_id,
    }
}

/// See [`crate::Aggregate::check`].
pub(super) fn check(state: &Workspace, event: &WorkspaceEvent) -> Result<(), Violation> {
    if let WorkspaceEvent::Created(_) = event {
        return Rule::Begins.equal(None, state.id());
    }
    let workspace_id = Rule::Begins.some(state.id(), "workspace.created first", event)?;
    Rule::Identity.equal(workspace_id, id_of(event))?;
    // The platform takes out whoever left the organization, whatever has become of the workspace.
    let by_platform = matches!(event, WorkspaceEvent::MemberRemoved(event) if event.removed_by.is_none());
    Rule::State.holds(by_platform || !state.is_archived(), "a workspace that is not archived", event)?;
    match event {
        WorkspaceEvent::Created(_) | WorkspaceEvent::ProfileChanged(_) | WorkspaceEvent::Archived(_) => {
            Ok(())
        }
        WorkspaceEvent::MemberJoined(event) => {
            Rule::Membership.equal(None::<WorkspaceRole>, state.role(event.account_id))
        }
        WorkspaceEvent::MemberRoleChanged(event) => {
            let before = Rule::Membership.some(state.role(event.account_id), "a member", event)?;
            Rule::Role.holds(before != event.role, "another role than before", event)
        }
        WorkspaceEvent::MemberRemoved(event) => {
            Rule::Membership.some(state.role(event.account_id), "a member", event).map(|_| ())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccountId;
    use crate::testing::{broken, doubled, dropped};
    use crate::workspace::tests::*;
    use crate::workspace::{
        WorkspaceArchived, WorkspaceMemberRemoved, WorkspaceMemberRoleChanged, WorkspaceProfileChanged,
    };

    fn removed(account_id: AccountId, removed_by: Option<AccountId>) -> WorkspaceEvent {
        WorkspaceMemberRemoved { workspace_id: WORKSPACE, account_id, removed_by }.into()
    }

    fn history() -> Vec<WorkspaceEvent> {
        let promoted = WorkspaceMemberRoleChanged {
            workspace_id: WORKSPACE,
            account_id: MEMBER,
            role: WorkspaceRole::Admin,
        };
        let archived = WorkspaceArchived { workspace_id: WORKSPACE };
        let events = [
            joined(MEMBER, WorkspaceRole::Member),
            promoted.into(),
            removed(ADMIN, Some(MEMBER)),
            archived.into(),
        ];
        created().into_iter().chain(events).chain([removed(MEMBER, None)]).collect()
    }

    #[test]
    fn a_whole_history_passes() {
        assert_eq!(broken::<Workspace>(&history()), None);
    }

    #[test]
    fn nothing_happens_twice() {
        use Rule::*;
        let rules = [Begins, Membership, Membership, Role, Membership, State, Membership];
        for (at, rule) in rules.into_iter().enumerate() {
            assert_eq!(broken::<Workspace>(&doubled(&history(), at)), Some((at + 1, rule)), "event {at}");
        }
    }

    #[test]
    fn what_is_missing_is_noticed_where_it_was_needed() {
        assert_eq!(broken::<Workspace>(&dropped(&history(), 0)), Some((0, Rule::Begins)));
        assert_eq!(broken::<Workspace>(&dropped(&history(), 2)), Some((2, Rule::Membership)));
    }

    #[test]
    fn an_archived_workspace_takes_no_changes_of_its_members() {
        for event in [joined(STRANGER, WorkspaceRole::Member), removed(MEMBER, Some(MEMBER))] {
            let mut events = history();
            events[6] = event;
            assert_eq!(broken::<Workspace>(&events), Some((6, Rule::State)));
        }
    }

    #[test]
    fn nothing_of_another_workspace_passes() {
        let foreign = WorkspaceProfileChanged { workspace_id: WorkspaceId::from_bytes([51; 16]) };
        let events = [created(), vec![foreign.into()]].concat();
        assert_eq!(broken::<Workspace>(&events), Some((2, Rule::Identity)));
    }
}
