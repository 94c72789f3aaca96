//! Workspaces of a site.

use domain::workspace::{
    WorkspaceArchived, WorkspaceCreated, WorkspaceMemberJoined, WorkspaceMemberRemoved, WorkspaceProfile,
    WorkspaceRole,
};
use domain::{Category, WorkspaceId};
use eventstore_schema::StreamId;

use super::site::{Node, ORGANIZATION, Person};

impl Node {
    /// A workspace of these members, with their terms.
    pub async fn workspace(&self, members: &[&Person]) -> (WorkspaceId, Vec<u64>) {
        let workspace_id: WorkspaceId = self.state.clock.new_id();
        let stream = StreamId::new(Category::Workspace, workspace_id);
        let creator = members[0].account_id;
        let created = WorkspaceCreated { workspace_id, organization_id: ORGANIZATION, creator };
        let profile = WorkspaceProfile { name: "Workspace".to_owned(), description: None };
        let created = vec![(created.into(), Some(profile.into()))];
        self.write(stream, Some(ORGANIZATION), members[0].actor(), created).await;
        let mut terms = Vec::new();
        for person in members {
            let joined = WorkspaceMemberJoined {
                workspace_id,
                account_id: person.account_id,
                role: WorkspaceRole::Member,
                organization_term: person.term,
            };
            let actor = person.actor();
            let joined = self.record(stream, Some(ORGANIZATION), actor, vec![(joined.into(), None)]).await;
            terms.push(joined.last_revision.get());
        }
        (workspace_id, terms)
    }

    /// Removes somebody from a workspace; nothing follows from it by itself.
    pub async fn remove_from_workspace(&self, workspace_id: WorkspaceId, person: &Person) {
        let account_id = person.account_id;
        let removed = WorkspaceMemberRemoved { workspace_id, account_id, removed_by: Some(account_id) };
        let stream = StreamId::new(Category::Workspace, workspace_id);
        self.write(stream, Some(ORGANIZATION), person.actor(), vec![(removed.into(), None)]).await;
    }

    /// Archives a workspace.
    pub async fn archive(&self, workspace_id: WorkspaceId, person: &Person) {
        let stream = StreamId::new(Category::Workspace, workspace_id);
        let archived = WorkspaceArchived { workspace_id };
        self.write(stream, Some(ORGANIZATION), person.actor(), vec![(archived.into(), None)]).await;
    }
}
