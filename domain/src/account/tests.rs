//! What the tests of account rules share.

use crate::testing::{NOW, account};
use crate::{AccountId, CommandId, Digest};

use super::commands::Register;
use super::*;

pub(super) const ANN: AccountId = account(1);
pub(super) const BEN: AccountId = account(2);
pub(super) const CONFIRMATION: Digest = Digest::from_bytes([1; 32]);
pub(super) const COMMAND: CommandId = CommandId::from_bytes([6; 16]);
pub(super) const RESET: Digest = Digest::from_bytes([2; 32]);
pub(super) const OTHER_TOKEN: Digest = Digest::from_bytes([3; 32]);

pub(super) fn register() -> Register {
    Register {
        account_id: ANN,
        contact: AccountContact { email: "ann@example.org".into() },
        password: AccountPassword { phc: "$argon2id$old".into() },
        profile: AccountProfile { display_name: "Ann".into(), locale: None },
        confirmation_token_hash: CONFIRMATION,
        confirmation_command_id: COMMAND,
    }
}

/// The four events of registering.
pub(super) fn registered() -> Vec<AccountEvent> {
    let expires_at = NOW.plus_seconds(crate::limits::EMAIL_CONFIRMATION_SECONDS);
    vec![
        AccountRegistered { account_id: ANN }.into(),
        PasswordSet { account_id: ANN, cause: PasswordCause::Registration, session_id: None }.into(),
        ProfileChanged { account_id: ANN }.into(),
        EmailConfirmationRequested {
            account_id: ANN,
            token_hash: CONFIRMATION,
            token_command_id: COMMAND,
            expires_at,
        }
        .into(),
    ]
}

/// Registered and confirmed: five events.
pub(super) fn confirmed() -> Vec<AccountEvent> {
    registered().into_iter().chain([EmailConfirmed { account_id: ANN }.into()]).collect()
}

pub(super) fn reset_requested() -> AccountEvent {
    let seconds = crate::limits::PASSWORD_RESET_SECONDS + crate::limits::TOKEN_MAIL_SECONDS_MIN;
    let expires_at = NOW.plus_seconds(seconds);
    PasswordResetRequested { account_id: ANN, token_hash: RESET, token_command_id: COMMAND, expires_at }
        .into()
}
