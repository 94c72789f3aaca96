//! The conversations that an account sees: its memberships on record, as long as the terms that they rest on go on.

use std::collections::{HashMap, HashSet};

use domain::conversation::{HistoryVisibility, Terms};
use domain::{ConversationId, OrganizationId, WorkspaceId};

use super::audience::Audience;

/// What a membership rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The organization of the conversation.
    pub organization_id: OrganizationId,
    /// The member's terms in organization and workspace.
    pub terms: Terms,
    /// Number of the last message before the member joined; 0 for none.
    pub earlier_number: u64,
    /// Whether the member sees what was before.
    pub history_visibility: HistoryVisibility,
}

impl Place {
    fn shows(&self, number: u64) -> bool {
        self.history_visibility == HistoryVisibility::All || number > self.earlier_number
    }
}

/// The memberships of one account.
#[derive(Clone, Debug, Default)]
pub struct Memberships {
    conversations: HashMap<ConversationId, Place>,
    /// Terms in an organization that began before this revision of its stream have ended.
    organizations: HashMap<OrganizationId, u64>,
    /// Terms in a workspace that began before this revision of its stream have ended.
    workspaces: HashMap<WorkspaceId, u64>,
    /// Workspaces whose conversations are read-only.
    archived: HashSet<WorkspaceId>,
}

impl Memberships {
    /// A membership is on record from now on.
    pub fn join(&mut self, conversation: ConversationId, place: Place) {
        self.conversations.insert(conversation, place);
    }

    /// A membership is on record no more; `false` when none was.
    pub fn leave(&mut self, conversation: ConversationId) -> bool {
        self.conversations.remove(&conversation).is_some()
    }

    /// What was before the account joined is shown or hidden from now on, if it is a member.
    pub fn show_history(&mut self, conversation: ConversationId, history_visibility: HistoryVisibility) {
        if let Some(place) = self.conversations.get_mut(&conversation) {
            place.history_visibility = history_visibility;
        }
    }

    /// Terms in the organization that began before a revision have ended.
    pub fn end_organization(&mut self, organization: OrganizationId, before: u64) {
        let known = self.organizations.entry(organization).or_insert(before);
        *known = before.max(*known);
    }

    /// Terms in the workspace that began before a revision have ended.
    pub fn end_workspace(&mut self, workspace: WorkspaceId, before: u64) {
        let known = self.workspaces.entry(workspace).or_insert(before);
        *known = before.max(*known);
    }

    /// The conversations of the workspace are read-only for good.
    pub fn archive(&mut self, workspace: WorkspaceId) {
        self.archived.insert(workspace);
    }

    /// Whether the account sees a conversation of the workspace.
    pub fn is_in(&self, workspace: WorkspaceId) -> bool {
        let of_it = |place: &Place| place.terms.workspace.is_some_and(|term| term.workspace_id == workspace);
        self.conversations.values().any(|place| of_it(place) && self.go_on(place))
    }

    /// Whether the account may say something in a conversation that it sees.
    pub fn writes_in(&self, conversation: &ConversationId) -> bool {
        let of = |place: &Place| place.terms.workspace.map(|term| term.workspace_id);
        let workspace = self.conversations.get(conversation).and_then(of);
        workspace.is_none_or(|workspace| !self.archived.contains(&workspace))
    }

    /// Whether the account sees the conversation.
    pub fn sees(&self, conversation: &ConversationId) -> bool {
        self.conversations.get(conversation).is_some_and(|place| self.go_on(place))
    }

    /// Whether the account sees a message of the conversation, if there is one of that number.
    pub fn sees_message(&self, conversation: &ConversationId, number: u64) -> bool {
        self.conversations.get(conversation).is_some_and(|place| self.go_on(place) && place.shows(number))
    }

    /// Whether an event of this audience says nothing of a message that the account does not see.
    pub fn admit(&self, audience: &Audience) -> bool {
        let Audience { message, conversation, .. } = audience;
        message.zip(*conversation).is_none_or(|(number, id)| self.sees_message(&id, number))
    }

    /// The workspaces of the conversations on record.
    pub fn workspaces(&self) -> impl Iterator<Item = WorkspaceId> {
        self.conversations.values().filter_map(|place| place.terms.workspace).map(|term| term.workspace_id)
    }

    /// The conversations that the account sees.
    pub fn seen(&self) -> impl Iterator<Item = ConversationId> {
        self.conversations.iter().filter(|(_, place)| self.go_on(place)).map(|(id, _)| *id)
    }

    fn go_on(&self, Place { organization_id, terms, .. }: &Place) -> bool {
        let ended = self.organizations.get(organization_id).copied().unwrap_or_default();
        let of_workspace = terms.workspace.is_none_or(|workspace| {
            workspace.term >= self.workspaces.get(&workspace.workspace_id).copied().unwrap_or_default()
        });
        terms.organization >= ended && of_workspace
    }
}

#[cfg(test)]
mod tests {
    use domain::conversation::WorkspaceTerm;

    use super::*;

    const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([1; 16]);
    const WORKSPACE: WorkspaceId = WorkspaceId::from_bytes([2; 16]);

    fn conversation(number: u8) -> ConversationId {
        ConversationId::from_bytes([number; 16])
    }

    fn place(organization: u64, workspace: Option<u64>) -> Place {
        let workspace = workspace.map(|term| WorkspaceTerm { workspace_id: WORKSPACE, term });
        let terms = Terms { organization, workspace };
        let history_visibility = HistoryVisibility::Joined;
        Place { organization_id: ORGANIZATION, terms, earlier_number: 3, history_visibility }
    }

    fn some() -> Memberships {
        let mut memberships = Memberships::default();
        memberships.join(conversation(1), place(4, None));
        memberships.join(conversation(2), place(4, Some(7)));
        memberships
    }

    fn seen(memberships: &Memberships) -> Vec<ConversationId> {
        let mut seen: Vec<_> = memberships.seen().collect();
        seen.sort();
        seen
    }

    #[test]
    fn the_end_of_a_term_ends_what_rests_on_it_and_nothing_later() {
        let mut memberships = some();
        memberships.end_workspace(WORKSPACE, 9);
        assert_eq!(seen(&memberships), [conversation(1)]);
        memberships.join(conversation(3), place(4, Some(10)));
        assert_eq!(seen(&memberships), [conversation(1), conversation(3)]);
        memberships.end_organization(ORGANIZATION, 5);
        assert_eq!(seen(&memberships), []);
        memberships.join(conversation(4), place(6, None));
        assert_eq!(seen(&memberships), [conversation(4)]);
        // What was decided on an outdated look comes to nothing.
        memberships.join(conversation(5), place(4, None));
        assert!(!memberships.sees(&conversation(5)));
    }

    #[test]
    fn what_was_before_is_hidden_or_shown_as_long_as_there_is_a_membership() {
        let mut memberships = some();
        let sees = |memberships: &Memberships| {
            [1, 9].map(|id| [3, 4].map(|number| memberships.sees_message(&conversation(id), number)))
        };
        assert_eq!(sees(&memberships), [[false, true], [false, false]]);
        memberships.show_history(conversation(1), HistoryVisibility::All);
        memberships.show_history(conversation(9), HistoryVisibility::All);
        assert_eq!(sees(&memberships), [[true, true], [false, false]]);
        memberships.show_history(conversation(1), HistoryVisibility::Joined);
        assert_eq!(sees(&memberships), [[false, true], [false, false]]);
        memberships.end_organization(ORGANIZATION, 5);
        assert_eq!(sees(&memberships), [[false, false]; 2]);
    }

    #[test]
    fn nobody_writes_in_the_conversations_of_an_archived_workspace() {
        let mut memberships = some();
        assert!(memberships.is_in(WORKSPACE) && memberships.writes_in(&conversation(2)));
        memberships.archive(WORKSPACE);
        assert!(memberships.sees(&conversation(2)) && !memberships.writes_in(&conversation(2)));
        assert!(memberships.writes_in(&conversation(1)));
        memberships.end_workspace(WORKSPACE, 9);
        assert!(!memberships.is_in(WORKSPACE));
    }

    #[test]
    fn a_membership_that_has_ended_is_on_record_until_it_is_left() {
        let mut memberships = some();
        memberships.end_organization(ORGANIZATION, 5);
        assert!(memberships.leave(conversation(1)) && !memberships.leave(conversation(1)));
    }
}
