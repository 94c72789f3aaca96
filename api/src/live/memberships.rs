//! What a connected account may see.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use domain::organization::OrganizationRole;
use domain::{AccountId, ConversationId, OrganizationId, WorkspaceId};
use eventstore_schema::Position;
use projections::{Projections, Reader, conversations, organizations};

use super::audience::{Audience, Change, Scope};
use crate::problem::Problem;

/// Projections that memberships are loaded from.
const LOADED_FROM: [&str; 2] = ["conversations", "organizations"];

/// Memberships of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memberships {
    pub conversations: HashSet<ConversationId>,
    pub organizations: HashMap<OrganizationId, OrganizationRole>,
    pub workspaces: HashSet<WorkspaceId>,
}

impl Memberships {
    /// Loads the memberships as the read models have them, at `since` or later.
    ///
    /// # Errors
    /// When a read model is too far behind or cannot be reached.
    pub(super) async fn load(
        projections: &Projections,
        reader: &Reader,
        account: AccountId,
        since: Option<Position>,
        wait: Duration,
    ) -> Result<Self, Problem> {
        if let Some(position) = since {
            for projection in LOADED_FROM {
                projections.wait_for(projection, position, wait).await?;
            }
        }
        let (spans, roles) = futures_util::future::try_join(
            conversations::queries::spans(reader, account),
            organizations::queries::roles(reader, account),
        )
        .await?;
        let current = spans.into_iter().filter(|span| span.left_position.is_none());
        Ok(Self {
            conversations: current.map(|span| span.conversation_id).collect(),
            organizations: roles.into_iter().map(|row| (row.organization_id, row.role)).collect(),
            workspaces: HashSet::new(),
        })
    }

    /// Takes over a change; `account` is whose memberships these are.
    pub(super) fn apply(&mut self, account: AccountId, change: Change) {
        match change {
            Change::Conversation { id, account: who, is_member } if who == account => {
                if is_member {
                    self.conversations.insert(id)
                } else {
                    self.conversations.remove(&id)
                };
            }
            Change::Workspace { id, account: who, is_member } if who == account => {
                if is_member {
                    self.workspaces.insert(id)
                } else {
                    self.workspaces.remove(&id)
                };
            }
            Change::Organization { id, account: who, role } if who == account => {
                match role {
                    Some(role) => self.organizations.insert(id, role),
                    None => self.organizations.remove(&id),
                };
            }
            Change::Conversation { .. } | Change::Workspace { .. } | Change::Organization { .. } => {}
        }
    }

    /// Whether `account` may see an event.
    pub(super) fn admit(&self, account: AccountId, audience: &Audience) -> bool {
        let in_scope = match audience.scope {
            Scope::Nobody => return false,
            Scope::Account(id) => id == account,
            Scope::Conversation(id) => self.conversations.contains(&id),
            Scope::Organization(id) => self.organizations.contains_key(&id),
            Scope::Managers(id) => self.organizations.get(&id).is_some_and(|role| role.manages()),
            Scope::Workspace(id) => self.workspaces.contains(&id),
        };
        in_scope || audience.subject == Some(account)
    }

    /// Whether both are members of one conversation.
    pub(super) fn meet(&self, other: &Memberships) -> bool {
        let (few, many) = if self.conversations.len() < other.conversations.len() {
            (&self.conversations, &other.conversations)
        } else {
            (&other.conversations, &self.conversations)
        };
        few.iter().any(|id| many.contains(id))
    }
}
