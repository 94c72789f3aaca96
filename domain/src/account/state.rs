//! What an account's events add up to.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Category, Context, Draft};
use crate::limits::TOKEN_REISSUE_SECONDS;
use crate::rejection::Rejection;
use crate::{AccountId, Digest, OrganizationId, Timestamp};

use super::commands::AccountCommand;
use super::{AccountEvent, PasswordCause};

/// A token that was sent by e-mail and not used yet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IssuedToken {
    /// BLAKE3 of the token.
    pub hash: Digest,
    /// When it was made.
    pub issued_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

impl IssuedToken {
    /// Whether a token with this hash is taken at `now`.
    pub fn admits(&self, hash: &Digest, now: Timestamp) -> bool {
        now < self.expires_at && self.hash.matches(hash)
    }

    /// Whether it is too young for another one to be made.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.issued_at.plus_seconds(TOKEN_REISSUE_SECONDS)
    }
}

/// An account. What is personal about it lies sealed in its events; [`Account::contact_place`] and
/// [`Account::password_place`] say in which.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    account_id: Option<AccountId>,
    email_confirmed: bool,
    email_confirmation: Option<IssuedToken>,
    password_reset: Option<IssuedToken>,
    login_locked_until: Option<Timestamp>,
    events: u64,
    contact_place: Option<u64>,
    password_place: Option<u64>,
}

impl Account {
    /// The account's id.
    ///
    /// # Errors
    /// [`Rejection::AccountNotFound`] for a stream without events.
    pub fn id(&self) -> Result<AccountId, Rejection> {
        self.account_id.ok_or(Rejection::AccountNotFound)
    }

    /// Whether it was registered.
    pub fn exists(&self) -> bool {
        self.account_id.is_some()
    }

    /// Whether the e-mail address was proved.
    pub fn email_confirmed(&self) -> bool {
        self.email_confirmed
    }

    /// The open confirmation token.
    pub fn email_confirmation(&self) -> Option<&IssuedToken> {
        self.email_confirmation.as_ref()
    }

    /// The open reset token.
    pub fn password_reset(&self) -> Option<&IssuedToken> {
        self.password_reset.as_ref()
    }

    /// Until when logins are refused, if that lies after `now`.
    pub fn login_locked(&self, now: Timestamp) -> Option<Timestamp> {
        self.login_locked_until.filter(|until| now < *until)
    }

    /// Revision of the event whose sealed part is the current e-mail address.
    pub fn contact_place(&self) -> Option<u64> {
        self.contact_place
    }

    /// Revision of the event whose sealed part is the current password hash.
    pub fn password_place(&self) -> Option<u64> {
        self.password_place
    }

    /// The id of the account, which alone may give the command.
    pub(super) fn owner(&self, context: &Context) -> Result<AccountId, Rejection> {
        let actor = context.account()?;
        if self.account_id == Some(actor) { Ok(actor) } else { Err(Rejection::AccountNotFound) }
    }
}

impl Aggregate for Account {
    const CATEGORY: Category = Category::Account;
    const STATE_VERSION: u16 = 1;
    type Id = AccountId;
    type Event = AccountEvent;
    type Command = AccountCommand;

    fn decide(
        &self,
        command: &AccountCommand,
        context: &Context,
    ) -> Result<Vec<Draft<AccountEvent>>, Rejection> {
        command.decide(self, context)
    }

    fn evolve(&mut self, event: &AccountEvent, at: Timestamp) {
        match event {
            AccountEvent::Registered(event) => {
                self.account_id = Some(event.account_id);
                self.contact_place = Some(self.events);
            }
            AccountEvent::EmailConfirmationRequested(event) => {
                let token =
                    IssuedToken { hash: event.token_hash, issued_at: at, expires_at: event.expires_at };
                self.email_confirmation = Some(token);
            }
            AccountEvent::EmailConfirmed(_) => {
                self.email_confirmed = true;
                self.email_confirmation = None;
            }
            AccountEvent::PasswordSet(event) => {
                self.password_place = Some(self.events);
                match event.cause {
                    PasswordCause::Registration | PasswordCause::Upgrade => {}
                    PasswordCause::Change => self.password_reset = None,
                    PasswordCause::Reset => {
                        self.password_reset = None;
                        self.login_locked_until = None;
                    }
                }
            }
            AccountEvent::PasswordResetRequested(event) => {
                let token =
                    IssuedToken { hash: event.token_hash, issued_at: at, expires_at: event.expires_at };
                self.password_reset = Some(token);
            }
            AccountEvent::ProfileChanged(_) | AccountEvent::MetadataChanged(_) => {}
            AccountEvent::LoginLocked(event) => self.login_locked_until = Some(event.until),
        }
        self.events += 1;
    }

    fn organization(&self) -> Option<OrganizationId> {
        None
    }
}
