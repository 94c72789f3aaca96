//! Members to be.

use std::collections::BTreeSet;

use crate::conversation::{
    Conversation, ConversationEvent, ConversationMemberJoined, ConversationRole, Recipient,
};
use crate::organization::OrganizationRole;
use crate::{AccountId, AccountRecipient, ConversationId, Draft, Rejection, limits};

/// A member to be: facts that the caller read from the account's and the organization's streams just before.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The account.
    pub account_id: AccountId,
    /// Its role in the organization; `None` says that it is no member.
    pub organization_role: Option<OrganizationRole>,
    /// Its active recipients.
    pub recipients: Vec<Recipient>,
}

impl Candidate {
    /// The candidate becomes a member.
    pub(super) fn joins(
        &self,
        conversation_id: ConversationId,
        role: ConversationRole,
        added_by: AccountId,
    ) -> Draft<ConversationEvent> {
        Draft::open(ConversationMemberJoined {
            conversation_id,
            account_id: self.account_id,
            role,
            added_by,
            recipients: self.recipients.clone(),
        })
    }
}

/// Refuses candidates who cannot all become members.
///
/// A recipient's id is chosen by its client, so another account's may be the same: that keeps nobody out, since a recipient
/// is known by its account and its id.
pub(super) fn admit<'a>(
    state: &Conversation,
    candidates: impl IntoIterator<Item = &'a Candidate>,
) -> Result<(), Rejection> {
    let mut accounts = BTreeSet::new();
    let mut recipients = BTreeSet::new();
    for candidate in candidates {
        let account_id = candidate.account_id;
        if candidate.organization_role.is_none() {
            return Err(Rejection::NotOrganizationMember { account_id });
        }
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
