//! Messages, reactions, pins and receipts.

use domain::conversation::{Cipher, MessageBody};
use domain::{Blob, ConversationId, Digest, Nonce, Signature};
use schemars::JsonSchema;
use serde::Deserialize;

pub mod clear_reaction;
pub mod delete_message;
pub mod edit_message;
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
