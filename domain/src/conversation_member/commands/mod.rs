//! What can be asked of a conversation's member: one file a command.

mod record_receipt;

use crate::command::commands;
use crate::{Draft, Rejection};

use super::{ConversationMember, ConversationMemberEvent};

pub use record_receipt::RecordReceipt;

type Decision = Result<Vec<Draft<ConversationMemberEvent>>, Rejection>;

commands! {
    /// A command to a member of a conversation.
    pub enum ConversationMemberCommand to ConversationMember yielding ConversationMemberEvent {
        RecordReceipt(RecordReceipt);
    }
}
