//! What happens to an account.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codes::codes;
use crate::event::events;
use crate::{AccountId, CommandId, Digest, SessionId, Timestamp};

use super::{AccountContact, AccountMetadata, AccountPassword, AccountProfile};

codes! {
    /// Why a password was set.
    pub enum PasswordCause {
        /// The account was registered.
        Registration = 1, "registration";
        /// Its owner changed it, knowing the old one.
        Change = 2, "change";
        /// Its owner reset it by e-mail.
        Reset = 3, "reset";
        /// The platform hashed the same password anew, under stronger parameters.
        Upgrade = 4, "upgrade";
    }
}

impl PasswordCause {
    /// Whether sessions that began with the password before have ended.
    pub const fn ends_sessions(self) -> bool {
        match self {
            Self::Change | Self::Reset => true,
            Self::Registration | Self::Upgrade => false,
        }
    }
}

events! {
    /// Everything that happens to an account.
    pub enum AccountEvent in Account as Account {
        /// See [`AccountRegistered`].
        Registered(AccountRegistered) = "account.registered", 1, sealed in AccountContact;
        /// See [`EmailConfirmationRequested`].
        EmailConfirmationRequested(EmailConfirmationRequested) = "account.email_confirmation_requested", 1;
        /// See [`EmailConfirmed`].
        EmailConfirmed(EmailConfirmed) = "account.email_confirmed", 1;
        /// See [`PasswordSet`].
        PasswordSet(PasswordSet) = "account.password_set", 2, sealed in AccountPassword;
        /// See [`PasswordVoided`].
        PasswordVoided(PasswordVoided) = "account.password_voided", 1;
        /// See [`PasswordResetRequested`].
        PasswordResetRequested(PasswordResetRequested) = "account.password_reset_requested", 1;
        /// See [`ProfileChanged`].
        ProfileChanged(ProfileChanged) = "account.profile_changed", 1, sealed in AccountProfile;
        /// See [`MetadataChanged`].
        MetadataChanged(MetadataChanged) = "account.metadata_changed", 1, sealed in AccountMetadata;
        /// See [`RegistrationRepeated`].
        RegistrationRepeated(RegistrationRepeated) = "account.registration_repeated", 1;
        /// See [`LoginLocked`].
        LoginLocked(LoginLocked) = "account.login_locked", 1;
    }
}

/// Somebody registered. The e-mail address is not confirmed yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountRegistered {
    /// The new account.
    pub account_id: AccountId,
}

/// A confirmation token is to be sent by e-mail, a new one or the last one again; it is known here by its hash only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EmailConfirmationRequested {
    /// The account.
    pub account_id: AccountId,
    /// BLAKE3 of the token.
    pub token_hash: Digest,
    /// The command that made the token, which it is derived from: an earlier one where the same token is sent again.
    pub token_command_id: CommandId,
    /// From when on the token is refused.
    pub expires_at: Timestamp,
}

/// The owner of the e-mail address proved it by the token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EmailConfirmed {
    /// The account.
    pub account_id: AccountId,
}

/// The password was set; its Argon2id hash is sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PasswordSet {
    /// The account.
    pub account_id: AccountId,
    /// Why.
    pub cause: PasswordCause,
    /// The session in which its owner changed it: all others end.
    pub session_id: Option<SessionId>,
}

/// [`PasswordSet`] as version 1, which did not tell the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PasswordSetV1 {
    /// The account.
    pub account_id: AccountId,
    /// Why.
    pub cause: PasswordCause,
}

impl From<PasswordSetV1> for PasswordSet {
    fn from(old: PasswordSetV1) -> Self {
        Self { account_id: old.account_id, cause: old.cause, session_id: None }
    }
}

/// The password holds no more: somebody registered the address again before anybody had proved it, and nobody can tell which of
/// them its owner is. Whoever gets the mail sets another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PasswordVoided {
    /// The account.
    pub account_id: AccountId,
}

/// A password reset token is to be sent by e-mail, a new one or the last one again; it is known here by its hash only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PasswordResetRequested {
    /// The account.
    pub account_id: AccountId,
    /// BLAKE3 of the token.
    pub token_hash: Digest,
    /// The command that made the token, which it is derived from: an earlier one where the same token is sent again.
    pub token_command_id: CommandId,
    /// From when on the token is refused.
    pub expires_at: Timestamp,
}

/// The profile is now the sealed one, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileChanged {
    /// The account.
    pub account_id: AccountId,
}

/// Phone and address are now the sealed ones, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetadataChanged {
    /// The account.
    pub account_id: AccountId,
}

/// Somebody tried to register the proved address again; its owner is to be told by e-mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RegistrationRepeated {
    /// The account that has the address.
    pub account_id: AccountId,
}

/// Too many logins failed, from wherever they came; for a time each network has fewer tries that are free.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoginLocked {
    /// The account.
    pub account_id: AccountId,
    /// Failed logins of late.
    pub failures: u32,
    /// Until when, unless more of them fail.
    pub until: Timestamp,
}
