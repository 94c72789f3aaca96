//! What is personal in a conversation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{normalize, normalize_name};
use crate::{Blob, Digest, Nonce, Signature};

/// What the members call the conversation.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationTitle {
    /// Name to show; none for a direct conversation.
    pub title: Option<String>,
    /// What it is about.
    pub topic: Option<String>,
}

impl ConversationTitle {
    /// The same with its texts in the form that is stored.
    pub fn normal(self) -> Self {
        let title = self.title.map(|title| normalize_name(&title));
        Self { title, topic: self.topic.map(|topic| normalize(&topic)) }
    }
}

/// Content of a message, an edit or a reaction.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageBody {
    /// Ciphertext (AES-256-SIV, padded content); clear bytes when the message is not encrypted.
    pub content: Blob,
    /// What goes with a ciphertext; none when the message is not encrypted.
    pub cipher: Option<Cipher>,
}

/// What goes with a ciphertext.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cipher {
    /// AES-SIV nonce, the last header.
    pub nonce: Nonce,
    /// Commits to key and content; the franking tag of an abuse report.
    pub commitment: Digest,
    /// The sending device's Ed25519 signature (`crate::conversation::binding`).
    pub signature: Signature,
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher(..)")
    }
}
