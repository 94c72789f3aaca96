//! End-to-end encryption: keys, certificates, generation wraps, messages. Pure: no I/O, no clock; randomness comes in.
//!
//! How the parts hold together:
//!
//! 1. An account has an [`IdentityKey`]; it certifies the account's devices and recovery key ([`AccountKeys`]). Both private
//!    keys are kept in a [`Vault`] under a passphrase.
//! 2. Two people compare [`SafetyNumber`]s; apart from that the first identity key seen is the one trusted.
//! 3. A conversation's [`GenerationKey`] is wrapped for each certified recipient and signed by the wrapping device.
//! 4. A message is sealed under a key of its sending device ([`message`]), padded ([`padding`]), committed to
//!    ([`franking`]) and signed.
//!
//! Trust is in the types: only what verifying returns ([`CertifiedDevice`], [`CertifiedRecipient`]) can be wrapped for or
//! believed. The bytes that are signed or bound as associated data are made in `domain` (`conversation::binding`,
//! `device::certificate`), which the server uses too.

pub mod content;
pub mod directory;
pub mod franking;
pub mod generation;
pub mod keys;
pub mod message;
pub mod padding;
pub mod passphrase;
pub mod random;
pub mod safety;
pub mod siv;
pub mod vault;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

pub use content::Content;
pub use directory::{
    AccountKeys, CertifiedDevice, CertifiedRecipient, ClaimedDevice, ClaimedKeys, DirectoryError,
};
pub use franking::{Disclosure, FrankingKey};
pub use generation::{GenerationContext, GenerationKey, OpenWrapError, WrapError};
pub use keys::{DeviceKeys, HpkeSecret, IdentityKey, RecoveryKey};
pub use message::{OpenError, Opened, SealError};
pub use passphrase::{Cost, PassphraseError, PassphraseKey, is_weak};
pub use safety::{Fingerprint, SafetyNumber};
pub use vault::Vault;
