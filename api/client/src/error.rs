//! Why something that the SDK was asked to do failed.

use domain::{AccountId, ConversationId};

use crate::e2ee::{DirectoryError, OpenWrapError, PassphraseError, SealError, WrapError};
use crate::keystore::KeyStoreError;
use crate::problem::ApiError;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request failed or was refused.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Somebody's keys are not believed.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Keys could not be kept or read.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
    /// A vault could not be made or opened.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// A key could not be wrapped.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// Content could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The vault on the server is not of the identity key that this client knows to be its own account's.
    #[error("the keys that the server keeps for this account are not this account's")]
    ForeignVault,
    /// The device is on the server with other keys than here, or the session is bound to another.
    #[error("this device cannot be enrolled: log in again, or with an empty key file")]
    Enrolment,
    /// The key file is of another account or server than the login.
    #[error("the key file belongs to another account or server")]
    ForeignKeyFile,
    /// This client has no device keys yet.
    #[error("this device has no keys yet: set it up first")]
    NoDevice,
    /// The account has no identity key on the server.
    #[error("account {0} has not published its keys yet")]
    NoKeys(AccountId),
    /// This device is no recipient of the conversation's keys (yet, or any more).
    #[error("this device is no recipient of the keys of conversation {0}")]
    NotInConversation(ConversationId),
    /// This device has not been given the key of that generation yet.
    #[error("this device waits for the key of generation {generation} of conversation {conversation_id}")]
    WaitingForKey {
        /// Which conversation.
        conversation_id: ConversationId,
        /// Which generation.
        generation: u32,
    },
    /// The wrap for this device does not open.
    #[error("the key of generation {generation} of conversation {conversation_id} cannot be opened")]
    OpenWrap {
        /// Which conversation.
        conversation_id: ConversationId,
        /// Which generation.
        generation: u32,
        /// Why not.
        #[source]
        source: OpenWrapError,
    },
    /// The server tells of an older generation than it did before.
    #[error("the server tells of generation {told} of conversation {conversation_id}, after {seen}")]
    RolledBack {
        /// Which conversation.
        conversation_id: ConversationId,
        /// The generation told.
        told: u32,
        /// The highest generation seen.
        seen: u32,
    },
    /// The key of the current generation comes from somebody who is no member.
    #[error(
        "the current key of conversation {conversation_id} comes from account {account_id}, which is no member"
    )]
    StrangersKey {
        /// Which conversation.
        conversation_id: ConversationId,
        /// Who is no member.
        account_id: AccountId,
    },
    /// Membership changed again and again while a generation or message was being made.
    #[error("conversation {0} changed over and over: try again")]
    Contention(ConversationId),
}

impl Error {
    /// Whether the server refused with this code.
    pub fn is(&self, code: &str) -> bool {
        matches!(self, Error::Api(error) if error.is(code))
    }
}
