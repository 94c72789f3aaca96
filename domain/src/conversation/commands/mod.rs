//! What can be asked of a conversation: one file a command.

mod add_member;
mod add_recipient;
mod add_wrap;
mod candidate;
mod change_role;
mod change_title;
mod clear_reaction;
mod commit_generation;
mod create_conversation;
mod delete_conversation;
mod delete_message;
mod edit_message;
mod pin_message;
mod record_receipt;
mod remove_member;
mod remove_recipient;
mod report_wrap;
mod send_message;
mod set_reaction;
mod unpin_message;

use crate::{Context, Draft, Rejection, limits};

use super::{Conversation, ConversationEvent};

use candidate::admit;

pub use add_member::AddMember;
pub use add_recipient::AddRecipient;
pub use add_wrap::AddWrap;
pub use candidate::Candidate;
pub use change_role::ChangeRole;
pub use change_title::ChangeTitle;
pub use clear_reaction::ClearReaction;
pub use commit_generation::CommitGeneration;
pub use create_conversation::CreateConversation;
pub use delete_conversation::DeleteConversation;
pub use delete_message::DeleteMessage;
pub use edit_message::EditMessage;
pub use pin_message::PinMessage;
pub use record_receipt::RecordReceipt;
pub use remove_member::RemoveMember;
pub use remove_recipient::RemoveRecipient;
pub use report_wrap::ReportWrap;
pub use send_message::SendMessage;
pub use set_reaction::SetReaction;
pub use unpin_message::UnpinMessage;

type Decision = Result<Vec<Draft<ConversationEvent>>, Rejection>;

/// A command to a conversation.
#[derive(Clone, Debug)]
pub enum ConversationCommand {
    /// See [`CreateConversation`].
    Create(CreateConversation),
    /// See [`ChangeTitle`].
    ChangeTitle(ChangeTitle),
    /// See [`AddMember`].
    AddMember(AddMember),
    /// See [`ChangeRole`].
    ChangeRole(ChangeRole),
    /// See [`RemoveMember`].
    RemoveMember(RemoveMember),
    /// See [`AddRecipient`].
    AddRecipient(AddRecipient),
    /// See [`RemoveRecipient`].
    RemoveRecipient(RemoveRecipient),
    /// See [`CommitGeneration`].
    CommitGeneration(CommitGeneration),
    /// See [`AddWrap`].
    AddWrap(AddWrap),
    /// See [`ReportWrap`].
    ReportWrap(ReportWrap),
    /// See [`SendMessage`].
    SendMessage(SendMessage),
    /// See [`EditMessage`].
    EditMessage(EditMessage),
    /// See [`DeleteMessage`].
    DeleteMessage(DeleteMessage),
    /// See [`SetReaction`].
    SetReaction(SetReaction),
    /// See [`ClearReaction`].
    ClearReaction(ClearReaction),
    /// See [`PinMessage`].
    PinMessage(PinMessage),
    /// See [`UnpinMessage`].
    UnpinMessage(UnpinMessage),
    /// See [`RecordReceipt`].
    RecordReceipt(RecordReceipt),
    /// See [`DeleteConversation`].
    Delete(DeleteConversation),
}

/// Hands the command to its rule.
pub(super) fn decide(state: &Conversation, command: &ConversationCommand, context: &Context) -> Decision {
    match command {
        ConversationCommand::Create(command) => command.decide(state, context),
        ConversationCommand::ChangeTitle(command) => command.decide(state, context),
        ConversationCommand::AddMember(command) => command.decide(state, context),
        ConversationCommand::ChangeRole(command) => command.decide(state, context),
        ConversationCommand::RemoveMember(command) => command.decide(state, context),
        ConversationCommand::AddRecipient(command) => command.decide(state, context),
        ConversationCommand::RemoveRecipient(command) => command.decide(state, context),
        ConversationCommand::CommitGeneration(command) => command.decide(state, context),
        ConversationCommand::AddWrap(command) => command.decide(state, context),
        ConversationCommand::ReportWrap(command) => command.decide(state, context),
        ConversationCommand::SendMessage(command) => command.decide(state, context),
        ConversationCommand::EditMessage(command) => command.decide(state, context),
        ConversationCommand::DeleteMessage(command) => command.decide(state, context),
        ConversationCommand::SetReaction(command) => command.decide(state, context),
        ConversationCommand::ClearReaction(command) => command.decide(state, context),
        ConversationCommand::PinMessage(command) => command.decide(state, context),
        ConversationCommand::UnpinMessage(command) => command.decide(state, context),
        ConversationCommand::RecordReceipt(command) => command.decide(state, context),
        ConversationCommand::Delete(command) => command.decide(state, context),
    }
}

/// Refuses reaction slots that a member does not have.
fn require_slot(slot: u8) -> Result<(), Rejection> {
    if slot < limits::REACTION_SLOTS_MAX {
        return Ok(());
    }
    Err(Rejection::InvalidField {
        field: "slot",
        reason: "is none of the eight that a member has on a message",
    })
}
