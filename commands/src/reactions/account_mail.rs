//! Writes the e-mails that follow from what happened to an account. Tokens are derived again from the recorded event; one that
//! holds no more is not sent.

use std::sync::Arc;

use async_trait::async_trait;
use domain::account::{Account, AccountEvent, IssuedToken, PasswordCause};
use domain::operations::DiscardCause;
use domain::session::{SessionEvent, SessionRevocationCause, SessionRevoked};
use domain::{AccountId, CommandId, Digest, Event};
use eventstore_schema::RecordedEvent;

use super::{Lead, Reaction, ReactionError};
use crate::auth::email_token::EmailTokenPurpose;
use crate::auth::{Auth, AuthError};
use crate::clock::Clock;
use crate::mail::{Mail, MailError};
use crate::metrics::Metrics;
use crate::services::Services;

pub(super) const NAME: &str = "account_mail";
/// After so many seconds nobody is told any more that the password was changed, a session ended or the address was registered
/// again: it is no news.
const NEWS_SECONDS: i64 = 86_400;

/// The reaction.
pub(super) struct AccountMail {
    services: Services,
    auth: Arc<Auth>,
    clock: Clock,
    metrics: Metrics,
}

impl AccountMail {
    pub(super) fn new(services: Services, auth: Arc<Auth>, clock: Clock, metrics: Metrics) -> Self {
        Self { services, auth, clock, metrics }
    }

    /// Sends an e-mail. One that no server will ever take is given up: who asks for another gets another. One that a server
    /// does not take for now, or for want of an extension, is tried until it would bring nothing any more.
    async fn send(
        &self,
        lead: &Lead,
        recorded: &RecordedEvent,
        account_id: AccountId,
        mail: &Mail,
    ) -> Result<(), ReactionError> {
        // Whoever was erased gets no mail.
        let Some(contact) = self.services.credentials.contact(account_id).await? else { return Ok(()) };
        lead.check()?;
        let sent = self.auth.mailer.send(&contact.email, mail, recorded.event_id.as_uuid()).await;
        let outcome = sent.as_ref().map_or_else(MailError::outcome, |()| "sent");
        self.metrics.mails.with_label_values(&[mail.name(), outcome]).inc();
        match sent {
            Err(error @ (MailError::Refused { .. } | MailError::Address)) => {
                tracing::warn!(account = %account_id, mail = mail.name(), %error, "an e-mail is given up");
                Err(ReactionError::GivenUp(DiscardCause::Refused))
            }
            sent => Ok(sent?),
        }
    }

    /// Tells that an e-mail had no chance to go in time.
    fn expired(&self, mail: &'static str) -> ReactionError {
        self.metrics.mails.with_label_values(&[mail, "expired"]).inc();
        ReactionError::GivenUp(DiscardCause::Expired)
    }

    /// Sends a token unless it was used or replaced since; one that has expired is given up. It is derived from the command
    /// that made it.
    async fn send_token(
        &self,
        lead: &Lead,
        recorded: &RecordedEvent,
        purpose: EmailTokenPurpose,
        account_id: AccountId,
        (token_hash, command_id): (Digest, CommandId),
    ) -> Result<(), ReactionError> {
        let now = self.clock.now();
        let look = move |state: &Account, _| {
            let open: Option<&IssuedToken> = match purpose {
                EmailTokenPurpose::ConfirmEmail => state.email_confirmation(),
                EmailTokenPurpose::ResetPassword => state.password_reset(),
            };
            open.filter(|token| token.hash.matches(&token_hash)).map(|token| token.admits(&token_hash, now))
        };
        match self.services.executor.view(account_id, look).await? {
            None => return Ok(()),
            Some(false) => return Err(self.expired(mail_of(purpose))),
            Some(true) => {}
        }
        let token = self.auth.email_token(purpose, account_id, command_id);
        if token.hash() != token_hash {
            return Err(ReactionError::Failed(
                "the token cannot be derived again: the secret is another".into(),
            ));
        }
        let (url, token) = (self.auth.public_url.clone(), token.expose().as_str().to_owned());
        let mail = match purpose {
            EmailTokenPurpose::ConfirmEmail => Mail::ConfirmEmail { url, token },
            EmailTokenPurpose::ResetPassword => Mail::ResetPassword { url, token },
        };
        self.send(lead, recorded, account_id, &mail).await
    }

    /// Sends what is worth knowing while it is new.
    async fn send_news(
        &self,
        lead: &Lead,
        recorded: &RecordedEvent,
        account_id: AccountId,
        mail: &Mail,
    ) -> Result<(), ReactionError> {
        if self.clock.now() >= recorded.origin.recorded_at.plus_seconds(NEWS_SECONDS) {
            return Err(self.expired(mail.name()));
        }
        self.send(lead, recorded, account_id, mail).await
    }

    /// Tells the owner that a copy of a session's token was used; whoever ended a session otherwise knows.
    async fn session_revoked(
        &self,
        lead: &Lead,
        recorded: &RecordedEvent,
        event: &SessionRevoked,
    ) -> Result<(), ReactionError> {
        match event.cause {
            SessionRevocationCause::RefreshTokenReused => {
                let mail = Mail::SessionEnded { url: self.auth.public_url.clone() };
                self.send_news(lead, recorded, event.account_id, &mail).await
            }
            SessionRevocationCause::Logout
            | SessionRevocationCause::Requested
            | SessionRevocationCause::PasswordChanged
            | SessionRevocationCause::DeviceRevoked => Ok(()),
        }
    }

    async fn password_set(
        &self,
        lead: &Lead,
        recorded: &RecordedEvent,
        account_id: AccountId,
        cause: PasswordCause,
    ) -> Result<(), ReactionError> {
        match cause {
            PasswordCause::Change | PasswordCause::Reset => {
                let mail = Mail::PasswordChanged { url: self.auth.public_url.clone() };
                self.send_news(lead, recorded, account_id, &mail).await
            }
            PasswordCause::Registration | PasswordCause::Upgrade => Ok(()),
        }
    }
}

#[async_trait]
impl Reaction for AccountMail {
    fn name(&self) -> &'static str {
        NAME
    }

    fn event_types(&self) -> &'static [&'static str] {
        &[
            "account.email_confirmation_requested",
            "account.password_reset_requested",
            "account.password_set",
            "account.registration_repeated",
            "session.revoked",
        ]
    }

    async fn react(&self, lead: &Lead, recorded: &RecordedEvent, event: &Event) -> Result<(), ReactionError> {
        if let Event::Session(SessionEvent::Revoked(event)) = event {
            return self.session_revoked(lead, recorded, event).await;
        }
        let Event::Account(event) = event else { return Ok(()) };
        match event {
            AccountEvent::EmailConfirmationRequested(event) => {
                let (purpose, token) =
                    (EmailTokenPurpose::ConfirmEmail, (event.token_hash, event.token_command_id));
                self.send_token(lead, recorded, purpose, event.account_id, token).await
            }
            AccountEvent::PasswordResetRequested(event) => {
                let (purpose, token) =
                    (EmailTokenPurpose::ResetPassword, (event.token_hash, event.token_command_id));
                self.send_token(lead, recorded, purpose, event.account_id, token).await
            }
            AccountEvent::PasswordSet(event) => {
                self.password_set(lead, recorded, event.account_id, event.cause).await
            }
            AccountEvent::RegistrationRepeated(event) => {
                let mail = Mail::AlreadyRegistered { url: self.auth.public_url.clone() };
                self.send_news(lead, recorded, event.account_id, &mail).await
            }
            AccountEvent::Registered(_)
            | AccountEvent::EmailConfirmed(_)
            | AccountEvent::PasswordVoided(_)
            | AccountEvent::ProfileChanged(_)
            | AccountEvent::MetadataChanged(_)
            | AccountEvent::LoginLocked(_) => Ok(()),
        }
    }
}

/// The e-mail that brings such a token.
const fn mail_of(purpose: EmailTokenPurpose) -> &'static str {
    match purpose {
        EmailTokenPurpose::ConfirmEmail => "confirm_email",
        EmailTokenPurpose::ResetPassword => "reset_password",
    }
}

impl From<MailError> for ReactionError {
    fn from(error: MailError) -> Self {
        match error {
            // Nobody's mail gets out: all of it waits.
            MailError::Unreachable(_) => ReactionError::Down(error.to_string()),
            // One mailbox that takes nothing for now must not hold up the others' mail.
            MailError::Deferred(_) | MailError::International => ReactionError::Deferred(error.to_string()),
            MailError::Transport(_) | MailError::Address | MailError::Build | MailError::Refused { .. } => {
                ReactionError::Failed(error.to_string())
            }
        }
    }
}

impl From<AuthError> for ReactionError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Execute(error) => error.into(),
            AuthError::Unavailable(_) | AuthError::Overloaded { .. } => {
                ReactionError::Unavailable(error.to_string())
            }
            AuthError::Refused
            | AuthError::Locked { .. }
            | AuthError::RefreshRefused
            | AuthError::Damaged(_) => ReactionError::Failed(error.to_string()),
        }
    }
}
