//! Generation keys: made by one device, wrapped for every certified recipient, signed by the device that wraps.
//!
//! The 64 random bytes of a generation's key are wrapped with HPKE (RFC 9180) in base mode, DHKEM(X25519, HKDF-SHA256),
//! HKDF-SHA256, ChaCha20Poly1305, with `info` from [`WrapBinding`] and no associated data. Base mode tells nothing about who
//! wrapped; the device's signature does.
//!
//! What encrypts messages is not that key but, for each sending device, the sender key: 32 bytes of BLAKE3
//! `derive_key("envoi 2026-11-21 sender key v1", generation key (64) || sender's account (16) || sending device (16))`.

use domain::conversation::binding::WrapBinding;
use domain::conversation::{Suite, Wrap};
use domain::{
    AccountDevice, AccountId, AccountRecipient, Blob, ConversationId, DeviceId, Digest, HpkeKey,
    OrganizationId,
};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

use super::directory::{CertifiedDevice, CertifiedRecipient};
use super::keys::{DeviceKeys, HpkeSecret};
use super::random::{CryptoRng, draw};

/// Length of a generation key.
pub const GENERATION_KEY_BYTES: usize = 64;
const SENDER_CONTEXT: &str = "envoi 2026-11-21 sender key v1";

/// Why a wrap could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// The recipient's public key is no usable X25519 key.
    #[error("the key of recipient {0} cannot be wrapped for")]
    Key(AccountRecipient),
}

/// Why a wrap could not be opened, in the order in which it is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenWrapError {
    /// It is for somebody else.
    #[error("the wrap is for recipient {0}")]
    WrongRecipient(AccountRecipient),
    /// It is not signed by that device for this recipient, conversation, generation, suite and membership transcript.
    #[error("the wrap is not signed by the device that is said to have made it, or is about something else")]
    SignatureInvalid,
    /// It is signed but does not open with this key.
    #[error("the wrap does not open with this key")]
    Undecryptable,
}

/// Which generation, and what all its wraps are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenerationContext {
    /// The conversation's organization.
    pub organization_id: OrganizationId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Number of the generation, from 1.
    pub generation: u32,
    /// How it encrypts.
    pub suite: Suite,
    /// Hash of the membership that it was made for.
    pub transcript: Digest,
}

impl GenerationContext {
    fn binding(&self, recipient: AccountRecipient, device: AccountDevice) -> WrapBinding {
        WrapBinding {
            organization_id: self.organization_id,
            conversation_id: self.conversation_id,
            generation: self.generation,
            suite: self.suite,
            recipient,
            device,
            transcript: self.transcript,
        }
    }
}

/// The key of one generation of a conversation.
#[derive(Clone)]
pub struct GenerationKey(Zeroizing<[u8; GENERATION_KEY_BYTES]>);

impl GenerationKey {
    /// Makes one.
    pub fn generate(random: &mut impl CryptoRng) -> Self {
        Self(Zeroizing::new(draw(random)))
    }

    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; GENERATION_KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Wraps it for a recipient, signed by `sender`.
    ///
    /// # Errors
    /// [`WrapError::Key`] for a public key of small order or such.
    pub fn wrap(
        &self,
        context: &GenerationContext,
        recipient: &CertifiedRecipient,
        sender: &DeviceKeys,
        random: &mut impl CryptoRng,
    ) -> Result<Wrap, WrapError> {
        let name = recipient.account_recipient();
        let unusable = |_| WrapError::Key(name);
        let binding = context.binding(name, sender.account_device());
        let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(recipient.hpke_key().as_bytes());
        let (encapsulated, ciphertext) =
            hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &public.map_err(unusable)?,
                &binding.info(),
                self.0.as_ref(),
                &[],
                random,
            )
            .map_err(unusable)?;
        let encapsulated_key = HpkeKey::from_bytes(encapsulated.to_bytes().into());
        let signature = sender.sign(&binding.signature_input(&encapsulated_key, &ciphertext));
        let AccountRecipient { account_id, recipient_id } = name;
        Ok(Wrap { account_id, recipient_id, encapsulated_key, ciphertext: Blob::new(ciphertext), signature })
    }

    /// Opens a wrap that `sender` made for `recipient`, whose private key is `secret`.
    ///
    /// # Errors
    /// The first [`OpenWrapError`] that holds.
    pub fn open(
        wrap: &Wrap,
        context: &GenerationContext,
        recipient: AccountRecipient,
        secret: &HpkeSecret,
        sender: &CertifiedDevice,
    ) -> Result<Self, OpenWrapError> {
        if wrap.recipient() != recipient {
            return Err(OpenWrapError::WrongRecipient(wrap.recipient()));
        }
        let binding = context.binding(recipient, sender.account_device());
        if !binding.verifies(wrap, &sender.verify_key()) {
            return Err(OpenWrapError::SignatureInvalid);
        }
        let plain = unwrap(wrap, &binding, secret).ok_or(OpenWrapError::Undecryptable)?;
        let bytes: [u8; GENERATION_KEY_BYTES] =
            plain.as_slice().try_into().map_err(|_| OpenWrapError::Undecryptable)?;
        Ok(Self::from_bytes(bytes))
    }

    /// The key that the messages of one device are sealed under.
    pub(crate) fn sender_key(&self, account: AccountId, device: DeviceId) -> SenderKey {
        let mut hasher = blake3::Hasher::new_derive_key(SENDER_CONTEXT);
        hasher.update(self.0.as_ref()).update(account.as_bytes()).update(device.as_bytes());
        SenderKey(Zeroizing::new(*hasher.finalize().as_bytes()))
    }
}

fn unwrap(wrap: &Wrap, binding: &WrapBinding, secret: &HpkeSecret) -> Option<Zeroizing<Vec<u8>>> {
    let private = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(secret.as_bytes()).ok()?;
    let encapsulated =
        <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(wrap.encapsulated_key.as_bytes()).ok()?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &private,
        &encapsulated,
        &binding.info(),
        wrap.ciphertext.as_slice(),
        &[],
    )
    .ok()
    .map(Zeroizing::new)
}

impl std::fmt::Debug for GenerationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GenerationKey(..)")
    }
}

/// What one device's messages of one generation are sealed under.
pub(crate) struct SenderKey(Zeroizing<[u8; 32]>);

impl SenderKey {
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
