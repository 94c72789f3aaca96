//! What a conversation's own stream demands of its events.

mod content;
mod keys;
mod members;

use crate::violation::{Rule, Violation};
use crate::{AccountId, ConversationId};

use super::{Conversation, ConversationEvent, ConversationKind, ConversationRole, HistoryVisibility};

/// The conversation that the event is about.
pub(super) fn id_of(event: &ConversationEvent) -> ConversationId {
    event.conversation_id()
}

/// See [`crate::Aggregate::check`].
pub(super) fn check(state: &Conversation, event: &ConversationEvent) -> Result<(), Violation> {
    if let ConversationEvent::Created(event) = event {
        Rule::Begins.equal(None, state.id())?;
        let is_direct = event.kind == ConversationKind::Direct;
        let fixed = is_direct && event.workspace_id.is_some();
        Rule::State.holds(!fixed, "no workspace for a direct conversation", event)?;
        let shown = is_direct && event.history_visibility == HistoryVisibility::All;
        return Rule::State.holds(!shown, "no history for a direct conversation", event);
    }
    let id = Rule::Begins.some(state.id(), "conversation.created first", &event.conversation_id())?;
    Rule::Identity.equal(id, event.conversation_id())?;
    let reopens = matches!(event, ConversationEvent::Reopened(_));
    Rule::State.equal(reopens, state.is_deleted())?;
    match event {
        ConversationEvent::Created(_) => Ok(()),
        ConversationEvent::TitleChanged(event) => leads(state, event.changed_by),
        ConversationEvent::HistoryVisibilityChanged(event) => {
            Rule::State.equal(Some(ConversationKind::Group), state.kind())?;
            leads(state, event.changed_by)?;
            Rule::State.holds(
                state.history_visibility() != event.history_visibility,
                "another visibility",
                event,
            )
        }
        ConversationEvent::MemberJoined(event) => members::joined(state, event),
        ConversationEvent::MemberRoleChanged(event) => members::role_changed(state, event),
        ConversationEvent::MemberLeft(event) => members::left(state, event),
        ConversationEvent::RecipientAdded(event) => keys::added(state, event),
        ConversationEvent::RecipientRemoved(event) => {
            keys::is_active(state, event.account_id, event.recipient_id)
        }
        ConversationEvent::GenerationCommitted(event) => keys::committed(state, event),
        ConversationEvent::WrapAdded(event) => keys::wrapped(state, event),
        ConversationEvent::WrapReported(event) => keys::reported(state, event),
        ConversationEvent::MessageSent(event) => content::sent(state, event),
        ConversationEvent::MessageEdited(event) => content::edited(state, event),
        ConversationEvent::MessageDeleted(event) => content::deleted(state, event),
        ConversationEvent::ReactionSet(event) => content::reacted(state, event),
        ConversationEvent::ReactionCleared(event) => {
            member(state, event.account_id)?;
            content::is_live_to(state, event.number, event.account_id)
        }
        ConversationEvent::MessagePinned(event) => {
            member(state, event.pinned_by)?;
            content::is_live_to(state, event.number, event.pinned_by)?;
            Rule::State.holds(!state.is_pinned(event.number), "a message that is not pinned", event)
        }
        ConversationEvent::MessageUnpinned(event) => {
            member(state, event.unpinned_by)?;
            Rule::State.holds(state.is_pinned(event.number), "a pinned message", event)
        }
        ConversationEvent::Deleted(event) => leads(state, event.deleted_by),
        ConversationEvent::Reopened(event) => {
            Rule::State.equal(Some(ConversationKind::Direct), state.kind())?;
            Rule::Number.equal(state.last_number(), event.deleted_up_to)
        }
    }
}

fn member(state: &Conversation, account_id: AccountId) -> Result<ConversationRole, Violation> {
    Rule::Membership.some(state.role(account_id), "a member", &account_id)
}

/// An admin of a group, either member of a direct conversation.
fn leads(state: &Conversation, account_id: AccountId) -> Result<(), Violation> {
    let role = member(state, account_id)?;
    let may = role == ConversationRole::Admin || state.kind() == Some(ConversationKind::Direct);
    Rule::Role.holds(may, "an admin", &account_id)
}
