//! The canonical bytes that clients and the server agree on: what a wrap, a message and a generation are bound to.
//!
//! Every form opens with its own context string behind a length byte; the rest are fields of fixed width in fixed order
//! (integers big-endian, ids as their 16 bytes), and one field at most of variable length, behind a four-byte length. So
//! no two values have the same bytes and no form can be taken for another. A change of a form is a new context string.

use ed25519_dalek::VerifyingKey;

use crate::codes::codes;
use crate::{
    AccountDevice, AccountId, AccountRecipient, ConversationId, DeviceId, Digest, HpkeKey, MessageId, Nonce,
    OrganizationId, Signature, VerifyKey,
};

use super::{Recipient, Suite, Wrap};

const WRAP_INFO: &str = "envoi 2026-11-21 wrap info v1";
const WRAP_SIGNATURE: &str = "envoi 2026-11-21 wrap signature v1";
const TRANSCRIPT: &str = "envoi 2026-11-21 membership transcript v1";
const MESSAGE_DATA: &str = "envoi 2026-11-21 message data v1";
const MESSAGE_SIGNATURE: &str = "envoi 2026-11-21 message signature v1";

/// Bytes of a wrapped generation key: the 64-byte key and the tag of ChaCha20Poly1305.
pub const WRAP_CIPHERTEXT_BYTES: usize = 80;

codes! {
    /// What a ciphertext is the content of.
    pub enum ContentKind {
        /// A message as it was sent.
        Message = 1, "message";
        /// A message's new content.
        Edit = 2, "edit";
        /// A reaction to a message.
        Reaction = 3, "reaction";
    }
}

/// What the wrap of a generation key is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrapBinding {
    /// The conversation's organization.
    pub organization_id: OrganizationId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The generation whose key it is.
    pub generation: u32,
    /// How the generation encrypts.
    pub suite: Suite,
    /// For whom the key is wrapped.
    pub recipient: AccountRecipient,
    /// The device that wraps and signs.
    pub device: AccountDevice,
    /// The generation's membership transcript, also for wraps that are added later.
    pub transcript: Digest,
}

impl WrapBinding {
    /// HPKE `info` (RFC 9180 section 5.1), 163 bytes.
    ///
    /// | bytes | field |
    /// | --- | --- |
    /// | 1 + 29 | length and text of `envoi 2026-11-21 wrap info v1` |
    /// | 16 | organization |
    /// | 16 | conversation |
    /// | 4 | generation |
    /// | 1 | suite |
    /// | 16 | recipient's account |
    /// | 16 | recipient |
    /// | 16 | sender's account |
    /// | 16 | sending device |
    /// | 32 | membership transcript |
    pub fn info(&self) -> Vec<u8> {
        let mut form = Form::new(WRAP_INFO);
        form.put(self.organization_id.as_bytes());
        form.put(self.conversation_id.as_bytes());
        form.put(&self.generation.to_be_bytes());
        form.put(&[self.suite.code()]);
        form.put(self.recipient.account_id.as_bytes());
        form.put(self.recipient.recipient_id.as_bytes());
        form.put(self.device.account_id.as_bytes());
        form.put(self.device.device_id.as_bytes());
        form.put(self.transcript.as_bytes());
        form.into_bytes()
    }

    /// What the sending device signs (Ed25519, RFC 8032), 234 bytes and the ciphertext.
    ///
    /// | bytes | field |
    /// | --- | --- |
    /// | 1 + 34 | length and text of `envoi 2026-11-21 wrap signature v1` |
    /// | 163 | [`WrapBinding::info`] |
    /// | 32 | HPKE encapsulated key |
    /// | 4 + n | length and bytes of the HPKE ciphertext |
    pub fn signature_input(&self, encapsulated_key: &HpkeKey, ciphertext: &[u8]) -> Vec<u8> {
        let mut form = Form::new(WRAP_SIGNATURE);
        form.put(&self.info());
        form.put(encapsulated_key.as_bytes());
        form.put_sized(ciphertext);
        form.into_bytes()
    }

    /// Whether `wrap` is well formed, for the bound recipient, and signed with `signer` (strictly: RFC 8032 without
    /// small-order points or malleable encodings).
    pub fn verifies(&self, wrap: &Wrap, signer: &VerifyKey) -> bool {
        wrap.recipient() == self.recipient
            && wrap.ciphertext.len() == WRAP_CIPHERTEXT_BYTES
            && is_signed(
                signer,
                &self.signature_input(&wrap.encapsulated_key, wrap.ciphertext.as_slice()),
                &wrap.signature,
            )
    }
}

/// What chains the membership of one generation to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// Transcript of the generation before; 32 zero bytes before the first.
    pub previous: Digest,
    /// Number of the generation, from 1.
    pub generation: u32,
    /// The conversation's organization.
    pub organization_id: OrganizationId,
    /// The conversation.
    pub conversation_id: ConversationId,
}

impl Transcript {
    /// The membership transcript: BLAKE3 `derive_key` under `envoi 2026-11-21 membership transcript v1` over
    ///
    /// | bytes | field |
    /// | --- | --- |
    /// | 32 | transcript of the generation before |
    /// | 4 | generation |
    /// | 16 | organization |
    /// | 16 | conversation |
    /// | 4 | number of recipients |
    /// | 98 each | the recipients, ascending by account and id: 16 account, 16 id, 1 kind, 32 HPKE key, 1 whether there is a verify key, 32 verify key or zeros |
    ///
    /// `roster` are the active recipients with their accounts, in any order.
    pub fn digest<'a>(&self, roster: impl IntoIterator<Item = (AccountId, &'a Recipient)>) -> Digest {
        let mut roster: Vec<_> = roster.into_iter().collect();
        roster.sort_by_key(|(account_id, recipient)| (*account_id, recipient.recipient_id));
        let mut hasher = blake3::Hasher::new_derive_key(TRANSCRIPT);
        hasher.update(self.previous.as_bytes());
        hasher.update(&self.generation.to_be_bytes());
        hasher.update(self.organization_id.as_bytes());
        hasher.update(self.conversation_id.as_bytes());
        hasher.update(&length(roster.len()));
        for (account_id, recipient) in roster {
            hasher.update(account_id.as_bytes());
            hasher.update(recipient.recipient_id.as_bytes());
            hasher.update(&[recipient.kind.code()]);
            hasher.update(recipient.hpke_key.as_bytes());
            hasher.update(&[u8::from(recipient.verify_key.is_some())]);
            hasher.update(&recipient.verify_key.map_or([0; 32], |key| *key.as_bytes()));
        }
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }
}

/// What the ciphertext of a message, an edit or a reaction is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageBinding {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The generation that it is encrypted under.
    pub generation: u32,
    /// Who sends it.
    pub sender_id: AccountId,
    /// From which device.
    pub device_id: DeviceId,
    /// The id that the client gave: the message's (also for its edits), or the reaction's own.
    pub message_id: MessageId,
    /// What it is the content of.
    pub kind: ContentKind,
    /// Number of the message that it belongs to, so that it cannot be moved to another: the one edited, reacted to or,
    /// for a message, answered; 0 for a message that answers none.
    pub target: u64,
}

impl MessageBinding {
    /// Associated data of AES-SIV (RFC 5297; the nonce follows as the last header), 110 bytes.
    ///
    /// | bytes | field |
    /// | --- | --- |
    /// | 1 + 32 | length and text of `envoi 2026-11-21 message data v1` |
    /// | 16 | conversation |
    /// | 4 | generation |
    /// | 16 | sender's account |
    /// | 16 | sending device |
    /// | 16 | message id |
    /// | 1 | kind |
    /// | 8 | target |
    pub fn associated_data(&self) -> Vec<u8> {
        let mut form = Form::new(MESSAGE_DATA);
        form.put(self.conversation_id.as_bytes());
        form.put(&self.generation.to_be_bytes());
        form.put(self.sender_id.as_bytes());
        form.put(self.device_id.as_bytes());
        form.put(self.message_id.as_bytes());
        form.put(&[self.kind.code()]);
        form.put(&self.target.to_be_bytes());
        form.into_bytes()
    }

    /// What the sending device signs (Ed25519, RFC 8032), 200 bytes and the ciphertext.
    ///
    /// | bytes | field |
    /// | --- | --- |
    /// | 1 + 37 | length and text of `envoi 2026-11-21 message signature v1` |
    /// | 110 | [`MessageBinding::associated_data`] |
    /// | 16 | nonce |
    /// | 32 | key commitment |
    /// | 4 + n | length and bytes of the ciphertext |
    pub fn signature_input(&self, nonce: &Nonce, commitment: &Digest, ciphertext: &[u8]) -> Vec<u8> {
        let mut form = Form::new(MESSAGE_SIGNATURE);
        form.put(&self.associated_data());
        form.put(nonce.as_bytes());
        form.put(commitment.as_bytes());
        form.put_sized(ciphertext);
        form.into_bytes()
    }
}

/// Whether `signature` is `signer`'s over `input`, verified strictly.
pub fn is_signed(signer: &VerifyKey, input: &[u8], signature: &Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
    VerifyingKey::from_bytes(signer.as_bytes()).is_ok_and(|key| key.verify_strict(input, &signature).is_ok())
}

/// Canonical bytes in the making.
struct Form(Vec<u8>);

impl Form {
    fn new(context: &'static str) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(u8::try_from(context.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(context.as_bytes());
        Self(bytes)
    }

    fn put(&mut self, field: &[u8]) {
        self.0.extend_from_slice(field);
    }

    fn put_sized(&mut self, field: &[u8]) {
        self.put(&length(field.len()));
        self.put(field);
    }

    fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A length on four bytes. Nothing bound here comes near its end: every limit of [`crate::limits`] is below.
fn length(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests;
