//! What is said, by whom, under which generation.

use crate::AccountId;
use crate::conversation::{
    Conversation, ConversationKind, ConversationRole, MessageDeleted, MessageEdited, MessageSent, ReactionSet,
};
use crate::violation::{Rule, Violation};

use super::keys::device;
use super::member;

pub(super) fn sent(state: &Conversation, event: &MessageSent) -> Result<(), Violation> {
    device(state, event.sender_id, event.device_id)?;
    Rule::Number.equal(state.last_number().saturating_add(1), event.number)?;
    comes_under(state, event.generation, event.encrypted)?;
    let answers = event.reply_to.is_none_or(|number| state.shows(number, event.sender_id));
    Rule::Number.holds(answers, "an answer to a message that is there", &event.reply_to)
}

pub(super) fn edited(state: &Conversation, event: &MessageEdited) -> Result<(), Violation> {
    device(state, event.sender_id, event.device_id)?;
    is_live_to(state, event.number, event.sender_id)?;
    Rule::Role.holds(state.is_sender(event.number, event.sender_id), "the sender", &event.sender_id)?;
    let is_its_own = state.is_message_id(event.number, event.message_id);
    Rule::Number.holds(is_its_own, "the message's own id", &event.message_id)?;
    comes_under(state, event.generation, event.encrypted)
}

/// Its sender deletes a message, or an admin of a group.
pub(super) fn deleted(state: &Conversation, event: &MessageDeleted) -> Result<(), Violation> {
    let role = member(state, event.deleted_by)?;
    is_live(state, event.number)?;
    let moderates = role == ConversationRole::Admin
        && state.kind() == Some(ConversationKind::Group)
        && state.shows(event.number, event.deleted_by);
    let may = moderates || state.is_sender(event.number, event.deleted_by);
    Rule::Role.holds(may, "the sender or an admin", event)
}

pub(super) fn reacted(state: &Conversation, event: &ReactionSet) -> Result<(), Violation> {
    device(state, event.account_id, event.device_id)?;
    is_live_to(state, event.number, event.account_id)?;
    comes_under(state, event.generation, event.encrypted)
}

/// Whether a message is there and was not deleted, for whoever acts on it.
pub(super) fn is_live_to(state: &Conversation, number: u64, account_id: AccountId) -> Result<(), Violation> {
    Rule::Number.holds(state.shows(number, account_id), "a message that they see", &number)?;
    is_live(state, number)
}

/// Whether a message is there and was not deleted.
fn is_live(state: &Conversation, number: u64) -> Result<(), Violation> {
    let live = state.has_message(number) && !state.is_message_deleted(number);
    Rule::Number.holds(live, "a message that is there", &number)
}

/// Encrypted content comes under the generation in force, and none is while somebody who left holds its key.
fn comes_under(state: &Conversation, generation: u32, encrypted: bool) -> Result<(), Violation> {
    if !encrypted {
        Rule::Generation.holds(state.allows_plaintext(), "encrypted content", &generation)?;
        return Rule::Generation.equal(0, generation);
    }
    Rule::Generation.holds(!state.commit_required(), "a generation in force", &generation)?;
    Rule::Generation.equal(state.generation(), generation)
}
