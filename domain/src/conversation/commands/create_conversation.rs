//! Opening a conversation.

use crate::conversation::{
    Conversation, ConversationCreated, ConversationEvent, ConversationKind, ConversationRole,
    ConversationTitle, direct_conversation_id,
};
use crate::organization::OrganizationRole;
use crate::{Context, ConversationId, Draft, OrganizationId, Rejection, WorkspaceId};

use super::{Candidate, Decision, admit};

/// Opens a conversation. Its creator becomes an admin, the others members. For a direct conversation the id must be
/// `direct_conversation_id` of creator and the one other member.
#[derive(Clone, Debug)]
pub struct CreateConversation {
    /// The new conversation.
    pub conversation_id: ConversationId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Its workspace, if any (the caller has verified that the creator is a member of it).
    pub workspace_id: Option<WorkspaceId>,
    /// Which kind.
    pub kind: ConversationKind,
    /// Its title.
    pub title: ConversationTitle,
    /// Whether messages in clear are taken.
    pub allows_plaintext: bool,
    /// The creator (whoever gives the command).
    pub creator: Candidate,
    /// The other first members.
    pub members: Vec<Candidate>,
}

impl CreateConversation {
    /// A direct conversation that is there already is opened again for those of its two members who had left the
    /// organization and are back; when both are there, it exists.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let creator = context.account()?;
        if self.creator.account_id != creator {
            return Err(Rejection::InvalidField {
                field: "creator",
                reason: "is whoever opens the conversation",
            });
        }
        let role = self.creator.organization_role.ok_or(Rejection::OrganizationNotFound)?;
        match self.kind {
            ConversationKind::Group if role == OrganizationRole::Guest => {
                return Err(Rejection::RoleInsufficient);
            }
            ConversationKind::Group => {}
            ConversationKind::Direct => self.require_direct()?,
        }
        if state.id().is_some() {
            return self.reopen(state);
        }
        let title = self.title.tidied(self.kind)?;
        admit(state, self.candidates())?;
        let created = ConversationCreated {
            conversation_id: self.conversation_id,
            organization_id: self.organization_id,
            workspace_id: self.workspace_id,
            kind: self.kind,
            creator,
            allows_plaintext: self.allows_plaintext,
        };
        let mut drafts = vec![Draft::sealed(created, title, creator)];
        drafts.extend(self.candidates().map(|candidate| self.joins(candidate)));
        Ok(drafts)
    }

    fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        std::iter::once(&self.creator).chain(&self.members)
    }

    /// The creator of a group is its admin; the members of a direct conversation are equals.
    fn joins(&self, candidate: &Candidate) -> Draft<ConversationEvent> {
        let founds = self.kind == ConversationKind::Group && candidate.account_id == self.creator.account_id;
        let role = if founds { ConversationRole::Admin } else { ConversationRole::Member };
        candidate.joins(self.conversation_id, role, self.creator.account_id)
    }

    fn require_direct(&self) -> Result<(), Rejection> {
        let creator = self.creator.account_id;
        let other = match self.members.as_slice() {
            [other] if other.account_id != creator => other.account_id,
            _ => {
                let reason = "of a direct conversation are one other account";
                return Err(Rejection::InvalidField { field: "members", reason });
            }
        };
        if self.workspace_id.is_some() {
            let reason = "is for groups: two people have one direct conversation in the whole organization";
            return Err(Rejection::InvalidField { field: "workspace_id", reason });
        }
        if self.conversation_id != direct_conversation_id(self.organization_id, creator, other) {
            return Err(Rejection::DirectIdMismatch);
        }
        Ok(())
    }

    fn reopen(&self, state: &Conversation) -> Decision {
        let absent = || self.candidates().filter(|candidate| state.role(candidate.account_id).is_none());
        if self.kind == ConversationKind::Group || absent().next().is_none() {
            return Err(Rejection::ConversationExists { conversation_id: self.conversation_id });
        }
        if state.is_deleted() {
            return Err(Rejection::ConversationDeleted);
        }
        admit(state, absent())?;
        Ok(absent().map(|candidate| self.joins(candidate)).collect())
    }
}
