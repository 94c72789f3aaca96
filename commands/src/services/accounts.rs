//! Passwords and profiles. Registering is in `registration`.

use std::sync::Arc;

use domain::account::commands::{AccountCommand, ChangeMetadata, ChangeProfile, SetPassword};
use domain::account::{Account, AccountEvent, AccountMetadata, AccountProfile, PasswordCause};
use domain::{AccountId, Category, Rejection, SessionId};
use eventstore_schema::StreamId;
use zeroize::Zeroizing;

use super::afterwards::{Afterwards, execute_once};
use super::credentials::{Credentials, Stored};
use crate::auth::attempts::{Begun, LoginAttempts};
use crate::auth::email_token::EmailToken;
use crate::auth::password::{Password, Verdict};
use crate::auth::turns::Payer;
use crate::auth::{Auth, AuthError};
use crate::clock::Clock;
use crate::executor::{ExecuteError, Executed, Executor};
use crate::limits::OVERLOADED_RETRY_AFTER;
use crate::request::Request;

type Answer = Result<Executed<AccountEvent>, ExecuteError>;

/// Use cases of accounts.
#[derive(Clone)]
pub struct Accounts {
    pub(super) executor: Executor,
    pub(super) credentials: Credentials,
    attempts: LoginAttempts,
    pub(super) auth: Arc<Auth>,
    pub(super) clock: Clock,
    pub(super) afterwards: Afterwards,
}

impl Accounts {
    pub(super) fn new(
        credentials: Credentials,
        attempts: LoginAttempts,
        auth: Arc<Auth>,
        clock: Clock,
    ) -> Self {
        let executor = credentials.executor.clone();
        let afterwards = Afterwards::new(executor.runtime().clone());
        Self { executor, credentials, attempts, auth, clock, afterwards }
    }

    /// Waits until nothing is under way of what was asked for without a login; for an orderly end after no more comes in.
    pub async fn end(&self) {
        self.afterwards.end().await;
    }

    /// The same, going on.
    #[cfg(test)]
    pub(crate) async fn idle(&self) {
        self.afterwards.idle().await;
    }

    /// Sets a new password by the token that was sent by e-mail. All sessions have ended with it; a reaction records their ends.
    ///
    /// # Errors
    /// [`Rejection::TokenInvalid`] whatever is wrong with the token, [`Rejection::InvalidField`] for the password; see
    /// [`AuthError`].
    pub async fn reset_password(
        &self,
        request: &Request,
        token: &str,
        password: Zeroizing<String>,
    ) -> Result<Executed<AccountEvent>, AuthError> {
        let password = Password::new(password)?;
        let token = EmailToken::parse(token).ok_or(Rejection::TokenInvalid)?;
        let account_id = token.account_id();
        let request = self.credentials.about(request, token.hash().as_bytes()).await?;
        // Hashing is dear: whoever has no token gets none.
        let (hash, now) = (token.hash(), request.context.now);
        let look =
            move |state: &Account, _| state.password_reset().is_some_and(|open| open.admits(&hash, now));
        if !self.executor.view(account_id, look).await? {
            let repeated = self.repeated(account_id, &request).await?;
            return repeated.ok_or_else(|| Rejection::TokenInvalid.into());
        }
        let payer = self.credentials.account_payer(account_id, request.network).await?;
        let password = self.auth.passwords.hash(password, self.clock.random(), payer).await?;
        let reset_token_hash = Some(hash);
        let (cause, session_id, verified) = (PasswordCause::Reset, None, None);
        let command = SetPassword { password, cause, reset_token_hash, session_id, verified };
        let executed = execute_once::<Account>(&self.executor, account_id, command.into(), &request).await?;
        self.auth.revocations.password_set(account_id, None, now);
        // Whoever was slowed down by their own guesses, or others', can log in at once.
        if let Some(contact) = self.credentials.contact(account_id).await? {
            let subjects = self.credentials.address_subjects(&contact.email, request.network).await?;
            self.attempts.right(&subjects.own).await?;
        }
        Ok(executed)
    }

    /// Changes the password of the account that asks, which proves the old one. Its other sessions than this one have ended with
    /// it; a reaction records their ends.
    ///
    /// # Errors
    /// [`AuthError::Refused`] for a wrong old one, [`AuthError::Locked`] after too many in this session, whatever others tried
    /// elsewhere; see [`AuthError`].
    pub async fn change_password(
        &self,
        request: &Request,
        session_id: SessionId,
        old: Zeroizing<String>,
        new: Zeroizing<String>,
    ) -> Result<Executed<AccountEvent>, AuthError> {
        let account_id = request.context.account()?;
        let now = request.context.now;
        let (old, new) = (Password::presented(old), Password::new(new)?);
        self.executor.admit(request).await?;
        if let Some(executed) = self.repeated(account_id, request).await? {
            return Ok(executed);
        }
        let old = old.map_err(|_| AuthError::Refused)?;
        let payer = self.credentials.account_payer(account_id, request.network).await?;
        let subjects = self.credentials.session_subjects(session_id).await?;
        let tried = match self.attempts.begin(subjects, now).await? {
            Begun::Allowed(tried) => tried,
            Begun::Paused { until } => return Err(AuthError::locked(until, now)),
        };
        let verifying = self.verify(account_id, old, payer);
        let verified = match self.attempts.verified(&tried, verifying).await? {
            (Verdict::Right | Verdict::RightButOutdated, place) => place,
            (Verdict::Wrong, _) => {
                self.attempts.wrong(&tried, now).await?;
                return Err(AuthError::Refused);
            }
        };
        self.attempts.right(&subjects.own).await?;
        let password = self.auth.passwords.hash(new, self.clock.random(), payer).await?;
        let command = SetPassword {
            password,
            cause: PasswordCause::Change,
            reset_token_hash: None,
            session_id: Some(session_id),
            verified,
        };
        // Hashing takes a while: the session is looked at again.
        let executed = match self.execute(account_id, command.into(), request).await {
            // Set anew or upgraded while the old one was being verified: asked again, that one is verified.
            Err(ExecuteError::Rejected(Rejection::SessionEnded)) => {
                return Err(AuthError::Overloaded { retry_after: OVERLOADED_RETRY_AFTER });
            }
            answer => answer?,
        };
        self.auth.revocations.password_set(account_id, Some(session_id), now);
        Ok(executed)
    }

    /// Verifies a password; also where the one stands that it was compared with.
    async fn verify(
        &self,
        account_id: AccountId,
        password: Password,
        payer: Payer,
    ) -> Result<(Verdict, Option<u64>), AuthError> {
        let Stored { place, password: stored, .. } = self.credentials.stored(account_id).await?;
        Ok((self.auth.passwords.verify(stored, password, payer).await?, place))
    }

    /// What the command did, if it is on record: a repeated change would find the old password wrong.
    async fn repeated(
        &self,
        account_id: AccountId,
        request: &Request,
    ) -> Result<Option<Executed<AccountEvent>>, AuthError> {
        let stream = StreamId::new(Category::Account, account_id);
        let found = self.executor.log().find_command(stream, request.command.id).await?;
        if found.is_none() {
            return Ok(None);
        }
        let otherwise = ExecuteError::CommandReused { command_id: request.command.id };
        Ok(Some(self.executor.refuse::<Account>(account_id, request, otherwise).await?))
    }

    /// Replaces the profile of the account that asks.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn change_profile(&self, request: &Request, profile: AccountProfile) -> Answer {
        let command = ChangeProfile { profile: profile.normal() };
        self.execute(request.context.account()?, command.into(), request).await
    }

    /// Replaces phone and address of the account that asks.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn change_metadata(&self, request: &Request, metadata: AccountMetadata) -> Answer {
        let command = ChangeMetadata { metadata: metadata.normal() };
        self.execute(request.context.account()?, command.into(), request).await
    }

    async fn execute(&self, account_id: AccountId, command: AccountCommand, request: &Request) -> Answer {
        self.executor.execute::<Account>(account_id, command, request).await
    }
}
