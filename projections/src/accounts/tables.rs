//! Tables of the accounts.

use domain::account::PasswordCause;
use domain::{AccountId, Digest, Timestamp};
use eventstore_schema::SealedCell;

crate::table! {
    /// An account.
    pub struct UserAccount in "user_accounts" visible Account {
        key {
            /// Its id.
            account_id: AccountId,
        }
        columns {
            /// [`domain::account::AccountContact`], sealed.
            contact: SealedCell,
            /// When it was registered.
            registered_at: Timestamp,
            /// When its e-mail address was confirmed.
            email_confirmed_at: Option<Timestamp>,
        }
    }
}

crate::table! {
    /// What an account shows to those who share an organization or a conversation with it.
    pub struct UserProfile in "user_profiles" visible Acquaintances {
        key {
            /// Whose.
            account_id: AccountId,
        }
        columns {
            /// [`domain::account::AccountProfile`], sealed.
            profile: SealedCell,
            /// When it was changed last.
            changed_at: Timestamp,
        }
    }
}

crate::table! {
    /// How an account is secured; the password's hash stays in the log.
    pub struct UserSecurityState in "user_security_states" visible Account {
        key {
            /// Whose.
            account_id: AccountId,
        }
        columns {
            /// When the password was set last; none while no password holds.
            password_set_at: Option<Timestamp>,
            /// Why.
            password_cause: Option<PasswordCause>,
            /// Failed logins in a row when logins were locked last.
            failures: u32,
            /// Until when logins are refused.
            locked_until: Option<Timestamp>,
        }
    }
}

crate::table! {
    /// Phone and address of an account.
    pub struct UserMetadata in "user_metadata" visible Account {
        key {
            /// Whose.
            account_id: AccountId,
        }
        columns {
            /// [`domain::account::AccountMetadata`], sealed.
            metadata: SealedCell,
            /// When it was changed last.
            changed_at: Timestamp,
        }
    }
}

crate::table! {
    /// A token that proves an e-mail address.
    pub struct EmailConfirmationToken in "email_confirmation_tokens" visible Account {
        key {
            /// Whose.
            account_id: AccountId,
            /// BLAKE3 of the token.
            token_hash: Digest,
        }
        columns {
            /// When it was made.
            requested_at: Timestamp,
            /// From when on it is refused.
            expires_at: Timestamp,
            /// When it was used.
            used_at: Option<Timestamp>,
            /// When another took its place.
            replaced_at: Option<Timestamp>,
        }
        sets {
            /// Confirmation tokens of an account.
            ConfirmationTokensOf { account_id: AccountId }
        }
    }
}

crate::table! {
    /// A token that resets a password.
    pub struct PasswordResetToken in "password_reset_tokens" visible Account {
        key {
            /// Whose.
            account_id: AccountId,
            /// BLAKE3 of the token.
            token_hash: Digest,
        }
        columns {
            /// When it was made.
            requested_at: Timestamp,
            /// From when on it is refused.
            expires_at: Timestamp,
            /// When it was used.
            used_at: Option<Timestamp>,
            /// When another, or a new password, took its place.
            replaced_at: Option<Timestamp>,
        }
        sets {
            /// Reset tokens of an account.
            ResetTokensOf { account_id: AccountId }
        }
    }
}
