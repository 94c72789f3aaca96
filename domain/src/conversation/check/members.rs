//! Who is in, as what.

use std::collections::BTreeSet;

use crate::conversation::{
    Conversation, ConversationKind, ConversationMemberJoined, ConversationMemberLeft,
    ConversationMemberRoleChanged, ConversationRole, direct_conversation_id,
};
use crate::violation::{Rule, Violation};
use crate::{AccountId, Aggregate};

use super::{leads, member};

pub(super) fn joined(state: &Conversation, event: &ConversationMemberJoined) -> Result<(), Violation> {
    Rule::Membership.equal(None, state.role(event.account_id))?;
    Rule::Membership.equal(state.workspace(), event.workspace.map(|term| term.workspace_id))?;
    Rule::Number.equal(state.earlier(), event.earlier)?;
    let adds_itself = event.added_by == event.account_id;
    if state.kind() == Some(ConversationKind::Direct) {
        Rule::Role.equal(ConversationRole::Member, event.role)?;
        if !adds_itself {
            member(state, event.added_by)?;
        }
        is_one_of_two(state, event.account_id)?;
    } else if state.had_members() {
        leads(state, event.added_by)?;
    } else {
        // Who opens a group is its first member.
        Rule::Membership.equal(event.added_by, event.account_id)?;
        Rule::Role.equal(ConversationRole::Admin, event.role)?;
    }
    let mut seen = BTreeSet::new();
    for recipient in &event.recipients {
        let id = recipient.recipient_id;
        Rule::Recipient.holds(seen.insert(id), "a recipient that is named once", &id)?;
    }
    Ok(())
}

/// A direct conversation's id is made of its two members.
fn is_one_of_two(state: &Conversation, account_id: AccountId) -> Result<(), Violation> {
    let mut members = state.members();
    let Some((other, _)) = members.next() else { return Ok(()) };
    Rule::Membership.holds(members.next().is_none(), "two members", &account_id)?;
    let derived =
        state.organization().map(|organization| direct_conversation_id(organization, other, account_id));
    Rule::Membership.equal(derived, state.id())
}

pub(super) fn role_changed(
    state: &Conversation,
    event: &ConversationMemberRoleChanged,
) -> Result<(), Violation> {
    Rule::State.equal(Some(ConversationKind::Group), state.kind())?;
    let before = member(state, event.account_id)?;
    Rule::Role.holds(before != event.role, "another role than before", event)?;
    Rule::LastLeader.holds(!state.is_last_admin(event.account_id), "another admin", event)
}

/// Members of a group go, or an admin has them go; from whoever left the organization the platform takes every membership.
pub(super) fn left(state: &Conversation, event: &ConversationMemberLeft) -> Result<(), Violation> {
    member(state, event.account_id)?;
    let Some(removed_by) = event.removed_by else { return Ok(()) };
    Rule::State.equal(Some(ConversationKind::Group), state.kind())?;
    if removed_by != event.account_id {
        return leads(state, removed_by);
    }
    let others_lead = state.members().len() == 1 || !state.is_last_admin(event.account_id);
    Rule::LastLeader.holds(others_lead, "another admin", event)
}
