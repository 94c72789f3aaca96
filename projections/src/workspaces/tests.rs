use domain::workspace::{WorkspaceArchived, WorkspaceRole};
use domain::{AccountId, Actor, OrganizationId, WorkspaceId};

use super::*;
use crate::testing::{Fold, History};

const WORKSPACE: WorkspaceId = WorkspaceId::from_bytes([1; 16]);
const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([2; 16]);
const CREATOR: AccountId = AccountId::from_bytes([3; 16]);
const MEMBER: AccountId = AccountId::from_bytes([4; 16]);

fn joined(account_id: AccountId) -> Event {
    let role = WorkspaceRole::Member;
    WorkspaceMemberJoined { workspace_id: WORKSPACE, account_id, role, organization_term: 1 }.into()
}

#[test]
fn members_are_counted_and_those_who_left_stay_on_record() {
    let (mut history, mut fold) = (History::new(), Fold::new(Workspaces));
    let created =
        WorkspaceCreated { workspace_id: WORKSPACE, organization_id: ORGANIZATION, creator: CREATOR };
    let removed =
        WorkspaceMemberRemoved { workspace_id: WORKSPACE, account_id: MEMBER, removed_by: Some(CREATOR) };
    let archived = WorkspaceArchived { workspace_id: WORKSPACE };
    let events = [created.into(), joined(CREATOR), joined(MEMBER), removed.into(), archived.into()];
    for event in events {
        let recorded = history.record(WORKSPACE, Some(ORGANIZATION), Actor::account(CREATOR), event);
        fold.fold(recorded).expect("a fold");
    }
    let row = fold.row::<Workspace>(&WORKSPACE).expect("a row");
    assert_eq!((row.members, row.archived_at), (1, Some(History::at(5))));
    let member = fold.row::<WorkspaceMembership>(&(WORKSPACE, MEMBER)).expect("a row");
    assert_eq!((member.removed_at, member.removed_by), (Some(History::at(4)), Some(CREATOR)));
}
