//! What an account's events add up to.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Category, Context, Draft};
use crate::limits;
use crate::rejection::Rejection;
use crate::violation::Violation;
use crate::{AccountId, CommandId, Digest, OrganizationId, SessionId, Timestamp};

use super::check;
use super::commands::AccountCommand;
use super::{AccountEvent, PasswordCause};

/// A token that was sent by e-mail and not used yet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IssuedToken {
    /// BLAKE3 of the token.
    pub hash: Digest,
    /// The command that made it, which it is derived from.
    pub command_id: CommandId,
    /// When it was made.
    pub issued_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
    /// When the last mail was asked for.
    pub mailed_at: Timestamp,
    /// How many mails there were, of this token and those before it, each less than
    /// [`limits::TOKEN_MAIL_FORGET_SECONDS`] after the one before.
    pub mails: u32,
}

/// A token for a mail: a new one, or the last one once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenMail {
    /// BLAKE3 of the token.
    pub token_hash: Digest,
    /// The command that made it.
    pub token_command_id: CommandId,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

impl IssuedToken {
    /// Whether a token with this hash is taken at `now`.
    pub fn admits(&self, hash: &Digest, now: Timestamp) -> bool {
        self.holds(now) && self.hash.matches(hash)
    }

    /// Whether it has not expired at `now`.
    fn holds(&self, now: Timestamp) -> bool {
        self.expires_at.is_ahead(limits::TOKEN_SECONDS_MAX, now)
    }

    /// The token that `last` becomes, or that follows it, with a mail that was asked for at `now`.
    fn mailed(last: Option<Self>, mail: TokenMail, now: Timestamp) -> Self {
        let again = last.filter(|last| last.hash.matches(&mail.token_hash));
        let counted = last.filter(|last| last.mailed_at.is_recent(limits::TOKEN_MAIL_FORGET_SECONDS, now));
        Self {
            hash: mail.token_hash,
            command_id: mail.token_command_id,
            issued_at: again.map_or(now, |last| last.issued_at),
            expires_at: mail.expires_at,
            mailed_at: now,
            mails: counted.map_or(0, |last| last.mails).saturating_add(1),
        }
    }
}

/// How long after `mails` mails the next one may go.
fn mail_interval_seconds(mails: u32) -> i64 {
    let factor = limits::TOKEN_MAIL_GROWTH.saturating_pow(mails.saturating_sub(1));
    limits::TOKEN_MAIL_SECONDS_MIN.saturating_mul(factor).min(limits::TOKEN_MAIL_SECONDS_MAX)
}

/// What a mail that is asked for at `now` carries; nothing while the last one is too recent.
///
/// A token that holds is sent again, so that a mail under way stays good; `fresh` is for when there is none. It holds for
/// `seconds` and until the next mail may go: whoever is refused one has a good token in the last.
pub(super) fn token_mail(
    last: Option<&IssuedToken>,
    fresh: (Digest, CommandId),
    seconds: i64,
    now: Timestamp,
) -> Option<TokenMail> {
    let counted = last.filter(|last| last.mailed_at.is_recent(limits::TOKEN_MAIL_FORGET_SECONDS, now));
    let mails = counted.map_or(0, |last| last.mails);
    if counted.is_some_and(|last| last.mailed_at.is_recent(mail_interval_seconds(last.mails), now)) {
        return None;
    }
    let young = |last: &&IssuedToken| last.issued_at.is_recent(limits::TOKEN_AGE_SECONDS_MAX, now);
    let again = last.filter(|last| last.holds(now)).filter(young);
    let (token_hash, token_command_id) = again.map_or(fresh, |last| (last.hash, last.command_id));
    let holds = now.plus_seconds(seconds.saturating_add(mail_interval_seconds(mails.saturating_add(1))));
    let expires_at = again.map_or(holds, |last| holds.max(last.expires_at));
    Some(TokenMail { token_hash, token_command_id, expires_at })
}

/// How far an account has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has registered it.
    Unregistered,
    /// Registered by whoever typed the address; nobody has proved it.
    Unconfirmed,
    /// The owner of the address proved it.
    Confirmed,
}

/// The last time that the password was reset by mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordReset {
    /// Revision of the event.
    pub place: u64,
    /// When.
    pub at: Timestamp,
}

/// A password that took another's place for good, by a change or a reset: sessions that began with an earlier one have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordEnding {
    /// Revision of the event.
    pub revision: u64,
    /// The session in which it was changed, which goes on.
    pub spared: Option<SessionId>,
}

impl PasswordEnding {
    /// Whether it ends a session that began with the password of that revision.
    pub fn ends(&self, session_id: SessionId, password_revision: u64) -> bool {
        password_revision < self.revision && self.spared != Some(session_id)
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
    last_reset: Option<PasswordReset>,
    registration_repeated_at: Option<Timestamp>,
    login_locked_until: Option<Timestamp>,
    events: u64,
    contact_place: Option<u64>,
    password_place: Option<u64>,
    password_ending: Option<PasswordEnding>,
}

impl Account {
    /// The account's id.
    ///
    /// # Errors
    /// [`Rejection::AccountNotFound`] for a stream without events.
    pub fn id(&self) -> Result<AccountId, Rejection> {
        self.account_id.ok_or(Rejection::AccountNotFound)
    }

    /// How far it has come.
    pub fn standing(&self) -> Standing {
        match (self.account_id, self.email_confirmed) {
            (None, _) => Standing::Unregistered,
            (Some(_), false) => Standing::Unconfirmed,
            (Some(_), true) => Standing::Confirmed,
        }
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

    /// The last reset of the password by mail.
    pub fn last_reset(&self) -> Option<PasswordReset> {
        self.last_reset
    }

    /// Whether the owner was told of late, seen from `now`, that somebody registers the address again.
    pub(super) fn told_of_registration(&self, now: Timestamp) -> bool {
        let again = limits::REGISTRATION_REPEATED_SECONDS;
        self.registration_repeated_at.is_some_and(|told| told.is_recent(again, now))
    }

    /// Until when logins from networks that are unknown are slowed down more, if that lies after `now`.
    pub fn login_locked(&self, now: Timestamp) -> Option<Timestamp> {
        self.login_locked_until.filter(|until| until.is_ahead(limits::LOGIN_LOCKED_SECONDS_MAX, now))
    }

    /// Revision of the event whose sealed part is the current e-mail address.
    pub fn contact_place(&self) -> Option<u64> {
        self.contact_place
    }

    /// Revision of the event whose sealed part is the current password hash; `None` while no password holds.
    pub fn password_place(&self) -> Option<u64> {
        self.password_place
    }

    /// The last change or reset of the password.
    pub fn password_ending(&self) -> Option<PasswordEnding> {
        self.password_ending
    }

    /// The id of the account, which alone may give the command.
    pub(super) fn owner(&self, context: &Context) -> Result<AccountId, Rejection> {
        let actor = context.account()?;
        if self.account_id == Some(actor) { Ok(actor) } else { Err(Rejection::AccountNotFound) }
    }
}

impl Aggregate for Account {
    const CATEGORY: Category = Category::Account;
    const STATE_VERSION: u16 = 2;
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

    fn id_of(event: &Self::Event) -> Self::Id {
        check::id_of(event)
    }

    fn check(&self, event: &Self::Event) -> Result<(), Violation> {
        check::check(self, event)
    }

    fn evolve(&mut self, event: &AccountEvent, at: Timestamp) {
        match event {
            AccountEvent::Registered(event) => {
                self.account_id = Some(event.account_id);
                self.contact_place = Some(self.events);
            }
            AccountEvent::EmailConfirmationRequested(event) => {
                let (token_hash, token_command_id) = (event.token_hash, event.token_command_id);
                let mail = TokenMail { token_hash, token_command_id, expires_at: event.expires_at };
                self.email_confirmation = Some(IssuedToken::mailed(self.email_confirmation, mail, at));
            }
            AccountEvent::EmailConfirmed(_) => {
                self.email_confirmed = true;
                self.email_confirmation = None;
            }
            AccountEvent::PasswordSet(event) => {
                self.password_place = Some(self.events);
                let ending = PasswordEnding { revision: self.events, spared: event.session_id };
                if event.cause.ends_sessions() {
                    self.password_ending = Some(ending);
                }
                match event.cause {
                    PasswordCause::Registration | PasswordCause::Upgrade => {}
                    PasswordCause::Change => self.password_reset = None,
                    PasswordCause::Reset => {
                        self.last_reset = Some(PasswordReset { place: self.events, at });
                        self.password_reset = None;
                        self.login_locked_until = None;
                    }
                }
            }
            AccountEvent::PasswordVoided(_) => self.password_place = None,
            AccountEvent::PasswordResetRequested(event) => {
                let (token_hash, token_command_id) = (event.token_hash, event.token_command_id);
                let mail = TokenMail { token_hash, token_command_id, expires_at: event.expires_at };
                self.password_reset = Some(IssuedToken::mailed(self.password_reset, mail, at));
            }
            AccountEvent::ProfileChanged(_) | AccountEvent::MetadataChanged(_) => {}
            AccountEvent::RegistrationRepeated(_) => self.registration_repeated_at = Some(at),
            AccountEvent::LoginLocked(event) => self.login_locked_until = Some(event.until),
        }
        self.events += 1;
    }

    fn organization(&self) -> Option<OrganizationId> {
        None
    }
}
