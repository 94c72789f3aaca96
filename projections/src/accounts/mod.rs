//! Accounts: who is registered, what they tell of themselves, how they are secured.

pub mod queries;
mod tables;
#[cfg(test)]
mod tests;

pub use tables::*;

use domain::account::{
    AccountEvent, EmailConfirmationRequested, PasswordCause, PasswordResetRequested, PasswordSet,
};
use domain::{AccountId, Event};

use crate::projector::{Decoded, Projector};
use crate::rows::{FoldError, Keys, Rows, TableDef};

/// The projection `accounts`.
pub struct Accounts;

impl Projector for Accounts {
    fn name(&self) -> &'static str {
        "accounts"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [TableDef] {
        const TABLES: &[TableDef] = &[
            TableDef::of::<UserAccount>(),
            TableDef::of::<UserProfile>(),
            TableDef::of::<UserSecurityState>(),
            TableDef::of::<UserMetadata>(),
            TableDef::of::<EmailConfirmationToken>(),
            TableDef::of::<PasswordResetToken>(),
        ];
        TABLES
    }

    fn keys(&self, event: &Decoded, keys: &mut Keys<'_>) {
        match &event.event {
            Event::Account(change) => account_keys(change, keys),
            Event::Conversation(_)
            | Event::ConversationMember(_)
            | Event::Device(_)
            | Event::Operations(_)
            | Event::Organization(_)
            | Event::Session(_)
            | Event::Workspace(_) => {}
        }
    }

    fn apply(&self, event: &Decoded, rows: &mut Rows) -> Result<(), FoldError> {
        match &event.event {
            Event::Account(change) => apply(event, change, rows),
            Event::Conversation(_)
            | Event::ConversationMember(_)
            | Event::Device(_)
            | Event::Operations(_)
            | Event::Organization(_)
            | Event::Session(_)
            | Event::Workspace(_) => Ok(()),
        }
    }
}

fn account_keys(change: &AccountEvent, keys: &mut Keys<'_>) {
    match change {
        AccountEvent::Registered(it) => {
            keys.fresh::<UserAccount>(it.account_id);
            keys.fresh::<UserSecurityState>(it.account_id);
        }
        AccountEvent::EmailConfirmationRequested(it) => {
            let account_id = it.account_id;
            keys.set(ConfirmationTokensOf { account_id });
            keys.load::<EmailConfirmationToken>((account_id, it.token_hash));
        }
        AccountEvent::EmailConfirmed(it) => {
            let account_id = it.account_id;
            keys.load::<UserAccount>(account_id);
            keys.set(ConfirmationTokensOf { account_id });
        }
        AccountEvent::PasswordSet(it) => {
            let account_id = it.account_id;
            keys.load::<UserSecurityState>(account_id);
            keys.set(ResetTokensOf { account_id });
        }
        AccountEvent::PasswordVoided(it) => keys.load::<UserSecurityState>(it.account_id),
        AccountEvent::PasswordResetRequested(it) => {
            let account_id = it.account_id;
            keys.set(ResetTokensOf { account_id });
            keys.load::<PasswordResetToken>((account_id, it.token_hash));
        }
        AccountEvent::ProfileChanged(it) => keys.load::<UserProfile>(it.account_id),
        AccountEvent::MetadataChanged(it) => keys.load::<UserMetadata>(it.account_id),
        // Between the account and its mailbox.
        AccountEvent::RegistrationRepeated(_) => {}
        AccountEvent::LoginLocked(it) => keys.load::<UserSecurityState>(it.account_id),
    }
}

fn apply(event: &Decoded, change: &AccountEvent, rows: &mut Rows) -> Result<(), FoldError> {
    match change {
        AccountEvent::Registered(it) => register(event, it.account_id, rows),
        AccountEvent::EmailConfirmationRequested(it) => request_confirmation(event, it, rows),
        AccountEvent::EmailConfirmed(it) => {
            end_confirmations(event, it.account_id, true, rows)?;
            rows.update::<UserAccount>(&it.account_id, |row| row.email_confirmed_at = Some(event.at()))
        }
        AccountEvent::PasswordSet(it) => set_password(event, it, rows),
        AccountEvent::PasswordVoided(it) => rows.update::<UserSecurityState>(&it.account_id, |row| {
            row.password_set_at = None;
            row.password_cause = None;
        }),
        AccountEvent::RegistrationRepeated(_) => Ok(()),
        AccountEvent::PasswordResetRequested(it) => request_reset(event, it, rows),
        AccountEvent::ProfileChanged(it) => rows.put(UserProfile {
            account_id: it.account_id,
            profile: event.sealed()?,
            changed_at: event.at(),
        }),
        AccountEvent::MetadataChanged(it) => rows.put(UserMetadata {
            account_id: it.account_id,
            metadata: event.sealed()?,
            changed_at: event.at(),
        }),
        AccountEvent::LoginLocked(it) => rows.update::<UserSecurityState>(&it.account_id, |row| {
            row.failures = it.failures;
            row.locked_until = Some(it.until);
        }),
    }
}

fn register(event: &Decoded, account_id: AccountId, rows: &mut Rows) -> Result<(), FoldError> {
    rows.insert(UserAccount {
        account_id,
        contact: event.sealed()?,
        registered_at: event.at(),
        email_confirmed_at: None,
    })?;
    rows.insert(UserSecurityState {
        account_id,
        password_set_at: None,
        password_cause: None,
        failures: 0,
        locked_until: None,
    })
}

fn request_confirmation(
    event: &Decoded,
    it: &EmailConfirmationRequested,
    rows: &mut Rows,
) -> Result<(), FoldError> {
    end_confirmations(event, it.account_id, false, rows)?;
    rows.put(EmailConfirmationToken {
        account_id: it.account_id,
        token_hash: it.token_hash,
        requested_at: event.at(),
        expires_at: it.expires_at,
        used_at: None,
        replaced_at: None,
    })
}

/// Ends the token that holds: used, or replaced by another.
fn end_confirmations(
    event: &Decoded,
    account_id: AccountId,
    is_used: bool,
    rows: &mut Rows,
) -> Result<(), FoldError> {
    for key in rows.keys_of(&ConfirmationTokensOf { account_id })? {
        let holds = |row: &EmailConfirmationToken| row.used_at.is_none() && row.replaced_at.is_none();
        if rows.get::<EmailConfirmationToken>(&key)?.is_some_and(holds) {
            rows.update::<EmailConfirmationToken>(&key, |row| {
                let place = if is_used { &mut row.used_at } else { &mut row.replaced_at };
                *place = Some(event.at());
            })?;
        }
    }
    Ok(())
}

fn request_reset(event: &Decoded, it: &PasswordResetRequested, rows: &mut Rows) -> Result<(), FoldError> {
    end_resets(event, it.account_id, false, rows)?;
    rows.put(PasswordResetToken {
        account_id: it.account_id,
        token_hash: it.token_hash,
        requested_at: event.at(),
        expires_at: it.expires_at,
        used_at: None,
        replaced_at: None,
    })
}

fn end_resets(
    event: &Decoded,
    account_id: AccountId,
    is_used: bool,
    rows: &mut Rows,
) -> Result<(), FoldError> {
    for key in rows.keys_of(&ResetTokensOf { account_id })? {
        let holds = |row: &PasswordResetToken| row.used_at.is_none() && row.replaced_at.is_none();
        if rows.get::<PasswordResetToken>(&key)?.is_some_and(holds) {
            rows.update::<PasswordResetToken>(&key, |row| {
                let place = if is_used { &mut row.used_at } else { &mut row.replaced_at };
                *place = Some(event.at());
            })?;
        }
    }
    Ok(())
}

fn set_password(event: &Decoded, it: &PasswordSet, rows: &mut Rows) -> Result<(), FoldError> {
    match it.cause {
        PasswordCause::Registration | PasswordCause::Upgrade => {}
        PasswordCause::Change => end_resets(event, it.account_id, false, rows)?,
        PasswordCause::Reset => end_resets(event, it.account_id, true, rows)?,
    }
    rows.update::<UserSecurityState>(&it.account_id, |row| {
        row.password_set_at = Some(event.at());
        row.password_cause = Some(it.cause);
        if it.cause == PasswordCause::Reset {
            row.failures = 0;
            row.locked_until = None;
        }
    })
}
