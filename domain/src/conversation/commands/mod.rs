//! What can be asked of a conversation: one file a command.

mod add_member;
mod add_recipient;
mod add_wrap;
mod candidate;
mod change_history_visibility;
mod change_role;
mod change_title;
mod clear_reaction;
mod commit_generation;
mod create_conversation;
mod delete_conversation;
mod delete_message;
mod edit_message;
mod end_membership;
mod pin_message;
mod remove_member;
mod remove_recipient;
mod report_wrap;
mod send_message;
mod set_reaction;
mod unpin_message;

use crate::command::commands;
use crate::{Draft, Rejection, limits};

use super::{Conversation, ConversationEvent};

use candidate::Admission;

pub use add_member::AddMember;
pub use add_recipient::AddRecipient;
pub use add_wrap::AddWrap;
pub use candidate::Candidate;
pub use change_history_visibility::ChangeHistoryVisibility;
pub use change_role::ChangeRole;
pub use change_title::ChangeTitle;
pub use clear_reaction::ClearReaction;
pub use commit_generation::{CommitGeneration, NewGeneration};
pub use create_conversation::CreateConversation;
pub use delete_conversation::DeleteConversation;
pub use delete_message::DeleteMessage;
pub use edit_message::EditMessage;
pub use end_membership::EndMembership;
pub use pin_message::PinMessage;
pub use remove_member::RemoveMember;
pub use remove_recipient::RemoveRecipient;
pub use report_wrap::ReportWrap;
pub use send_message::SendMessage;
pub use set_reaction::SetReaction;
pub use unpin_message::UnpinMessage;

type Decision = Result<Vec<Draft<ConversationEvent>>, Rejection>;

commands! {
    /// A command to a conversation.
    pub enum ConversationCommand to Conversation yielding ConversationEvent {
        Create(CreateConversation);
        ChangeTitle(ChangeTitle);
        ChangeHistoryVisibility(ChangeHistoryVisibility);
        AddMember(AddMember);
        ChangeRole(ChangeRole);
        RemoveMember(RemoveMember);
        EndMembership(EndMembership);
        AddRecipient(AddRecipient);
        RemoveRecipient(RemoveRecipient);
        CommitGeneration(CommitGeneration);
        AddWrap(AddWrap);
        ReportWrap(ReportWrap);
        SendMessage(SendMessage);
        EditMessage(EditMessage);
        DeleteMessage(DeleteMessage);
        SetReaction(SetReaction);
        ClearReaction(ClearReaction);
        PinMessage(PinMessage);
        UnpinMessage(UnpinMessage);
        Delete(DeleteConversation);
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
