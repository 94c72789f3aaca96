//! Members to be.

use std::collections::BTreeSet;

use crate::conversation::{
    Conversation, ConversationEvent, ConversationMemberJoined, ConversationMemberLeft, ConversationRole,
    Earlier, Recipient, Standing, Terms, WorkspaceStanding, WorkspaceTerm,
};
use crate::organization::OrganizationMember;
use crate::workspace::WorkspaceMember;
use crate::{
    AccountId, AccountRecipient, Aggregate, ConversationId, Draft, Rejection, Timestamp, WorkspaceId, limits,
};

/// A member to be: facts that the caller read from the account's and the organization's streams just before.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The account.
    pub account_id: AccountId,
    /// Itself as a member of the organization; `None` says that it is none.
    pub in_organization: Option<OrganizationMember>,
    /// Itself as a member of the workspace, for a conversation that lies in one; `None` says that it is none.
    pub in_workspace: Option<WorkspaceMember>,
    /// Its active recipients.
    pub recipients: Vec<Recipient>,
}

impl Candidate {
    /// What organization and workspace say of the candidate.
    fn standing(&self, workspace_id: Option<WorkspaceId>) -> Standing {
        let workspace = workspace_id.map(|workspace_id| WorkspaceStanding {
            term: self.in_workspace.map(|member| WorkspaceTerm { workspace_id, term: member.term }),
            is_archived: false,
        });
        Standing { organization: self.in_organization.map(|member| member.term), workspace }
    }

    /// What a membership of the candidate rests on.
    fn terms(&self, workspace_id: Option<WorkspaceId>) -> Result<Terms, Rejection> {
        let account_id = self.account_id;
        let standing = self.standing(workspace_id);
        let organization = standing.organization.ok_or(Rejection::NotOrganizationMember { account_id })?;
        let workspace = match standing.workspace {
            None => None,
            Some(workspace) => Some(workspace.term.ok_or(Rejection::NotWorkspaceMember { account_id })?),
        };
        Ok(Terms { organization, workspace })
    }

    /// Whether the candidate is a member already, by a membership that goes on.
    pub(super) fn is_member(&self, state: &Conversation, workspace_id: Option<WorkspaceId>) -> bool {
        state.standing_role(self.account_id, &self.standing(workspace_id)).is_some()
    }
}

/// Where members join, and who lets them in.
pub(super) struct Admission {
    pub conversation_id: ConversationId,
    pub workspace_id: Option<WorkspaceId>,
    pub added_by: AccountId,
    /// What was there before them.
    pub earlier: Earlier,
}

impl Admission {
    /// The candidates become members, each as what is said with them, or the reason why they cannot all. A membership on
    /// record that has ended with its term is taken down first.
    pub(super) fn admit<'a>(
        &self,
        state: &Conversation,
        candidates: impl Iterator<Item = (&'a Candidate, ConversationRole)>,
    ) -> Result<Vec<Draft<ConversationEvent>>, Rejection> {
        let candidates: Vec<_> = candidates.collect();
        let (conversation_id, workspace_id) = (self.conversation_id, self.workspace_id);
        let ended = candidates.iter().map(|(candidate, _)| candidate).filter(|candidate| {
            state.role(candidate.account_id).is_some() && !candidate.is_member(state, workspace_id)
        });
        let left = ended.map(|candidate| ConversationMemberLeft {
            conversation_id,
            account_id: candidate.account_id,
            removed_by: None,
        });
        let left: Vec<ConversationEvent> = left.map(ConversationEvent::from).collect();
        let mut without = state.clone();
        for event in &left {
            without.evolve(event, Timestamp::from_micros(0));
        }
        admit(&without, candidates.iter().map(|(candidate, _)| *candidate))?;
        let mut drafts: Vec<_> = left.into_iter().map(|event| Draft { event, plain: None }).collect();
        for (candidate, role) in candidates {
            let Terms { organization, workspace } = candidate.terms(workspace_id)?;
            drafts.push(Draft::open(ConversationMemberJoined {
                conversation_id,
                account_id: candidate.account_id,
                role,
                added_by: self.added_by,
                organization_term: organization,
                workspace,
                earlier: self.earlier,
                recipients: candidate.recipients.clone(),
            }));
        }
        Ok(drafts)
    }
}

/// Refuses candidates who cannot all become members.
///
/// A recipient's id is chosen by its client, so another account's may be the same: that keeps nobody out, since a recipient
/// is known by its account and its id.
fn admit<'a>(state: &Conversation, candidates: impl Iterator<Item = &'a Candidate>) -> Result<(), Rejection> {
    let mut accounts = BTreeSet::new();
    let mut recipients = BTreeSet::new();
    for candidate in candidates {
        let account_id = candidate.account_id;
        if state.role(account_id).is_some() || !accounts.insert(account_id) {
            return Err(Rejection::MemberExists);
        }
        for Recipient { recipient_id, .. } in &candidate.recipients {
            if !recipients.insert(AccountRecipient::new(account_id, *recipient_id)) {
                return Err(Rejection::DeviceExists);
            }
        }
    }
    if state.members().len() + accounts.len() > limits::CONVERSATION_MEMBERS_MAX {
        return Err(Rejection::MemberLimit { limit: limits::CONVERSATION_MEMBERS_MAX });
    }
    if state.recipients().len() + recipients.len() > limits::GENERATION_WRAPS_MAX {
        return Err(Rejection::RecipientLimit { limit: limits::GENERATION_WRAPS_MAX });
    }
    Ok(())
}
