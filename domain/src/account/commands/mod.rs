//! What can be asked of an account.

use crate::{AccountId, Digest, Timestamp};

use super::{AccountContact, AccountMetadata, AccountPassword, AccountProfile, PasswordCause};

/// A command to an account.
#[derive(Clone, Debug)]
pub enum AccountCommand {
    /// See [`Register`].
    Register(Register),
    /// See [`RequestEmailConfirmation`].
    RequestEmailConfirmation(RequestEmailConfirmation),
    /// See [`ConfirmEmail`].
    ConfirmEmail(ConfirmEmail),
    /// See [`SetPassword`].
    SetPassword(SetPassword),
    /// See [`RequestPasswordReset`].
    RequestPasswordReset(RequestPasswordReset),
    /// See [`ChangeProfile`].
    ChangeProfile(ChangeProfile),
    /// See [`ChangeMetadata`].
    ChangeMetadata(ChangeMetadata),
    /// See [`LockLogin`].
    LockLogin(LockLogin),
}

/// Creates the account: registered, password set, profile, confirmation requested, in one append.
#[derive(Clone, Debug)]
pub struct Register {
    /// The new account.
    pub account_id: AccountId,
    /// Its e-mail address (reserved before).
    pub contact: AccountContact,
    /// Hash of its password.
    pub password: AccountPassword,
    /// Its profile.
    pub profile: AccountProfile,
    /// BLAKE3 of the confirmation token.
    pub confirmation_token_hash: Digest,
}

/// Makes the confirmation token anew.
#[derive(Clone, Debug)]
pub struct RequestEmailConfirmation {
    /// BLAKE3 of the token.
    pub token_hash: Digest,
}

/// Proves the e-mail address.
#[derive(Clone, Debug)]
pub struct ConfirmEmail {
    /// BLAKE3 of the token presented.
    pub token_hash: Digest,
}

/// Sets the password. For [`PasswordCause::Change`] the caller has verified the old one; for a reset the token counts.
#[derive(Clone, Debug)]
pub struct SetPassword {
    /// The hash.
    pub password: AccountPassword,
    /// Why.
    pub cause: PasswordCause,
    /// BLAKE3 of the reset token, for a reset.
    pub reset_token_hash: Option<Digest>,
}

/// Makes a reset token.
#[derive(Clone, Debug)]
pub struct RequestPasswordReset {
    /// BLAKE3 of the token.
    pub token_hash: Digest,
}

/// Replaces the profile.
#[derive(Clone, Debug)]
pub struct ChangeProfile {
    /// The new one.
    pub profile: AccountProfile,
}

/// Replaces phone and address.
#[derive(Clone, Debug)]
pub struct ChangeMetadata {
    /// The new ones.
    pub metadata: AccountMetadata,
}

/// Refuses logins for a time.
#[derive(Clone, Debug)]
pub struct LockLogin {
    /// Failed logins in a row.
    pub failures: u32,
    /// Until when.
    pub until: Timestamp,
}
