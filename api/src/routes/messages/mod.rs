//! Messages, reactions, pins and receipts.

use domain::conversation::{Cipher, MessageBody, MessageSent};
use domain::{AccountId, Blob, ConversationId, DeviceId, Digest, MessageId, Nonce, Signature, Timestamp};
use eventstore_schema::Opened;
use projections::messages::queries::MessageView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::state::State;

pub mod clear_reaction;
pub mod delete_message;
pub mod edit_message;
pub mod get_message;
pub mod list_deliveries;
pub mod list_messages;
pub mod list_pins;
pub mod list_reactions;
pub mod list_reactions_on;
pub mod list_receipts;
pub mod pin_message;
pub mod record_receipt;
pub mod send_message;
pub mod set_reaction;
pub mod unpin_message;

/// Names a message.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct MessagePath {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Its number.
    pub number: u64,
}

/// Names a reaction slot of the caller on a message.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct ReactionPath {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Number of the message.
    pub number: u64,
    /// The slot.
    pub slot: u8,
}

/// What goes with a ciphertext.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CipherBody {
    /// AES-SIV nonce.
    pub nonce: Nonce,
    /// Commits to key and content.
    pub commitment: Digest,
    /// The sending device's signature.
    pub signature: Signature,
}

fn body(content: Blob, cipher: Option<CipherBody>) -> MessageBody {
    let cipher = cipher.map(|cipher| {
        let CipherBody { nonce, commitment, signature } = cipher;
        Cipher { nonce, commitment, signature }
    });
    MessageBody { content, cipher }
}

/// A message as a member sees it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Message")]
pub struct MessageAnswer {
    /// Its place in the conversation.
    pub number: u64,
    /// Its id.
    pub message_id: MessageId,
    /// Who sent it.
    pub sender_id: AccountId,
    /// The device that its content comes from.
    pub device_id: DeviceId,
    /// The generation that its content is encrypted under; 0 in clear.
    pub generation: u32,
    /// Whether its content is end-to-end encrypted.
    pub encrypted: bool,
    /// Ciphertext, or clear bytes; null when deleted or erased.
    pub content: Option<Blob>,
    /// What goes with a ciphertext.
    pub cipher: Option<Cipher>,
    /// Whether its content was erased.
    pub erased: bool,
    /// Number of the message that it answers.
    pub reply_to: Option<u64>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When its content was replaced last.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted for everyone.
    pub deleted_at: Option<Timestamp>,
    /// Who deleted it.
    pub deleted_by: Option<AccountId>,
    /// Whether it is pinned.
    pub pinned: bool,
}

impl MessageAnswer {
    /// Opens a page of rows; the keys of all are fetched together.
    ///
    /// # Errors
    /// When a key cannot be reached.
    pub async fn all(state: &State, rows: Vec<MessageView>) -> Result<Vec<Self>, Problem> {
        let cells = rows.iter().filter_map(|row| row.ciphertext.clone());
        let mut bodies = state.open::<MessageBody>(cells).await?.into_iter();
        let show = |row: MessageView| {
            let body = row.ciphertext.as_ref().and_then(|_| bodies.next());
            Self::new(row, body)
        };
        Ok(rows.into_iter().map(show).collect())
    }

    /// A message as it was sent; without content where that does not open.
    pub fn sent(sent: &MessageSent, at: Timestamp, body: Option<Opened<MessageBody>>) -> Self {
        let erased = body == Some(Opened::Erased);
        let body = body.and_then(Opened::clear);
        Self {
            number: sent.number,
            message_id: sent.message_id,
            sender_id: sent.sender_id,
            device_id: sent.device_id,
            generation: sent.generation,
            encrypted: sent.encrypted,
            cipher: body.as_ref().and_then(|body| body.cipher.clone()),
            content: body.map(|body| body.content),
            erased,
            reply_to: sent.reply_to,
            sent_at: at,
            edited_at: None,
            deleted_at: None,
            deleted_by: None,
            pinned: false,
        }
    }

    /// A message with its content, unless that was deleted.
    fn new(row: MessageView, body: Option<Opened<MessageBody>>) -> Self {
        let erased = body == Some(Opened::Erased);
        let body = body.and_then(Opened::clear);
        Self {
            number: row.number,
            message_id: row.message_id,
            sender_id: row.sender_id,
            device_id: row.device_id,
            generation: row.generation,
            encrypted: row.encrypted,
            cipher: body.as_ref().and_then(|body| body.cipher.clone()),
            content: body.map(|body| body.content),
            erased,
            reply_to: row.reply_to,
            sent_at: row.sent_at,
            edited_at: row.edited_at,
            deleted_at: row.deleted_at,
            deleted_by: row.deleted_by,
            pinned: row.pinned,
        }
    }
}
