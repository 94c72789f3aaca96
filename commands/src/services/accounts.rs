//! Registering, proving an e-mail address, passwords, profiles.

use std::sync::Arc;
use std::time::Duration;

use domain::account::commands::{
    AccountCommand, ChangeMetadata, ChangeProfile, ConfirmEmail, Register, RequestEmailConfirmation,
    RequestPasswordReset, SetPassword,
};
use domain::account::{
    Account, AccountContact, AccountEvent, AccountMetadata, AccountProfile, PasswordCause,
};
use domain::text::{check_email, check_locale, check_name, normalize_email};
use domain::{AccountId, Category, Rejection, SessionId};
use eventstore_schema::{ReadFilter, StreamId};
use zeroize::Zeroizing;

use super::credentials::Credentials;
use crate::auth::attempts::{Begun, LoginAttempts};
use crate::auth::email_token::{EmailToken, EmailTokenPurpose};
use crate::auth::password::{Password, Verdict};
use crate::auth::turns::Payer;
use crate::auth::{Auth, AuthError, evenly};
use crate::clock::Clock;
use crate::executor::{ExecuteError, Executed, Executor};
use crate::mail::Mail;
use crate::request::Request;
use crate::reservations::{ReservationKind, Reserved};

/// For how long the owner of an address is not told again that somebody tried to register it.
const ALREADY_REGISTERED_INTERVAL: Duration = Duration::from_secs(3_600);
/// Most addresses that this is remembered of.
const ALREADY_REGISTERED_MAX: u64 = 10_000;

/// Registrations read from the log at a time while reservations are restored.
const REBUILD_PAGE_EVENTS: usize = 500;

/// Who registers.
pub struct NewAccount {
    /// Address as typed.
    pub email: String,
    /// Password as typed.
    pub password: Zeroizing<String>,
    /// Name to show.
    pub display_name: String,
    /// BCP 47 language tag, if told.
    pub locale: Option<String>,
}

type Answer = Result<Executed<AccountEvent>, ExecuteError>;

/// Use cases of accounts.
#[derive(Clone)]
pub struct Accounts {
    executor: Executor,
    credentials: Credentials,
    attempts: LoginAttempts,
    auth: Arc<Auth>,
    clock: Clock,
    told: moka::sync::Cache<[u8; 32], ()>,
}

impl Accounts {
    pub(super) fn new(
        credentials: Credentials,
        attempts: LoginAttempts,
        auth: Arc<Auth>,
        clock: Clock,
    ) -> Self {
        let told = moka::sync::Cache::builder()
            .max_capacity(ALREADY_REGISTERED_MAX)
            .time_to_live(ALREADY_REGISTERED_INTERVAL)
            .build();
        Self { executor: credentials.executor.clone(), credentials, attempts, auth, clock, told }
    }

    /// Registers. Whether the address was free is told by e-mail only: the answer and the time it takes are the same.
    ///
    /// Safe against a crash at any point: the address is reserved, the account recorded, the reservation confirmed, and a
    /// retry under the same command id goes on where the first try stopped.
    ///
    /// # Errors
    /// [`Rejection::InvalidField`]; see [`AuthError`].
    pub async fn register(&self, request: &Request, new: NewAccount) -> Result<(), AuthError> {
        let request = self.auth.conceal(request);
        let contact = AccountContact { email: normalize_email(&new.email) };
        let profile = AccountProfile { display_name: new.display_name, locale: new.locale }.normal();
        check_email("email", &contact.email)?;
        if !self.auth.mailer.takes(&contact.email) {
            let reason = "must be ASCII before the @: this server cannot send mail to others";
            return Err(Rejection::InvalidField { field: "email", reason }.into());
        }
        check_name("display_name", &profile.display_name)?;
        if let Some(locale) = &profile.locale {
            check_locale("locale", locale)?;
        }
        let password = Password::new(new.password)?;
        evenly(self.register_checked(&request, contact, profile, password)).await
    }

    async fn register_checked(
        &self,
        request: &Request,
        contact: AccountContact,
        profile: AccountProfile,
        password: Password,
    ) -> Result<(), AuthError> {
        let account_id: AccountId = request.created_id("account");
        let subjects = self.credentials.address_subjects(&contact.email, request.network).await?;
        let account = subjects.wide.map_or(subjects.own, |wide| wide.address);
        let payer = Payer { account, network: request.network };
        let password = self.auth.passwords.hash(password, self.clock.random(), payer).await?;
        let index = self.credentials.email_index(&contact.email).await?;
        if !self.reserve(request, &index, account_id).await? {
            self.tell_already_registered(contact.email, index);
            return Ok(());
        }
        let purpose = EmailTokenPurpose::ConfirmEmail;
        let confirmation_token_hash = self.auth.email_token(purpose, account_id, request.command.id).hash();
        let confirmation_command_id = request.command.id;
        let command = Register {
            account_id,
            contact,
            password,
            profile,
            confirmation_token_hash,
            confirmation_command_id,
        };
        let answer = self.executor.execute::<Account>(account_id, command.into(), request).await;
        let reservations = &self.credentials.reservations;
        match answer {
            Ok(_) => {
                let confirmed =
                    reservations.confirm(ReservationKind::Email, &index, account_id.into()).await?;
                if !confirmed {
                    let (kind, command_id) = (ReservationKind::Email, request.command.id);
                    reservations.restore(kind, &index, account_id.into(), command_id).await?;
                }
                Ok(())
            }
            Err(error) => {
                if !error.is_retryable() {
                    reservations.release(ReservationKind::Email, &index, request.command.id).await?;
                }
                Err(error.into())
            }
        }
    }

    /// Whether the address is this command's.
    async fn reserve(
        &self,
        request: &Request,
        index: &[u8; 32],
        account_id: AccountId,
    ) -> Result<bool, AuthError> {
        let (id, now) = (request.command.id, request.context.now);
        let (kind, owner) = (ReservationKind::Email, account_id.into());
        let stream = StreamId::new(Category::Account, account_id);
        if let Some((_, fingerprint)) = self.executor.log().find_command(stream, id).await?
            && fingerprint != request.command.fingerprint
        {
            return Err(ExecuteError::CommandReused { command_id: id }.into());
        }
        let reservations = &self.credentials.reservations;
        let row = match reservations.reserve(kind, index, owner, id, now).await? {
            Reserved::Granted => return Ok(true),
            Reserved::Taken(row) => row,
        };
        if row.confirmed {
            return Ok(false);
        }
        // Somebody reserved it and has not confirmed: they are at it, or were interrupted before or after the append.
        if self.credentials.exists(AccountId::from(row.owner)).await? {
            reservations.confirm(kind, index, row.owner).await?;
            return Ok(false);
        }
        if row.is_pending(now) {
            return Ok(false);
        }
        Ok(reservations.take_over(kind, index, &row, owner, id, now).await?)
    }

    /// Tells the owner of an address by e-mail, beside the answer.
    fn tell_already_registered(&self, email: String, index: [u8; 32]) {
        if self.told.contains_key(&index) {
            return;
        }
        self.told.insert(index, ());
        let (auth, told, id) = (Arc::clone(&self.auth), self.told.clone(), self.clock.new_id());
        tokio::spawn(async move {
            let mail = Mail::AlreadyRegistered { url: auth.public_url.clone() };
            if let Err(error) = auth.mailer.send(&email, &mail, id).await {
                tracing::warn!(%error, mail = mail.name(), "an e-mail was not sent");
                // Nobody was told: the next try tells.
                told.invalidate(&index);
            }
        });
    }

    /// Proves the e-mail address by the token that was sent to it.
    ///
    /// # Errors
    /// [`Rejection::TokenInvalid`] whatever is wrong with it; see [`ExecuteError`].
    pub async fn confirm_email(&self, request: &Request, token: &str) -> Answer {
        let token = EmailToken::parse(token).ok_or(Rejection::TokenInvalid)?;
        let command = ConfirmEmail { token_hash: token.hash() };
        self.execute(token.account_id(), command.into(), request).await
    }

    /// Sends the confirmation token anew, if there is an unconfirmed account of that address; the answer does not tell.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn resend_confirmation(&self, request: &Request, email: &str) -> Result<(), AuthError> {
        evenly(async {
            let Some(account_id) = self.credentials.find(&normalize_email(email)).await? else {
                return Ok(());
            };
            let purpose = EmailTokenPurpose::ConfirmEmail;
            let token_command_id = request.command.id;
            let token_hash = self.auth.email_token(purpose, account_id, token_command_id).hash();
            let command = RequestEmailConfirmation { token_hash, token_command_id };
            self.execute(account_id, command.into(), request).await?;
            Ok(())
        })
        .await
    }

    /// Sends a token to set a new password with, if there is an account of that address; the answer does not tell.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn request_password_reset(&self, request: &Request, email: &str) -> Result<(), AuthError> {
        evenly(async {
            let Some(account_id) = self.credentials.find(&normalize_email(email)).await? else {
                return Ok(());
            };
            let purpose = EmailTokenPurpose::ResetPassword;
            let token_command_id = request.command.id;
            let token_hash = self.auth.email_token(purpose, account_id, token_command_id).hash();
            let command = RequestPasswordReset { token_hash, token_command_id };
            self.execute(account_id, command.into(), request).await?;
            Ok(())
        })
        .await
    }

    /// Sets a new password by the token that was sent by e-mail. All sessions end, by a reaction.
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
        let request = self.auth.conceal(request);
        let password = Password::new(password)?;
        let token = EmailToken::parse(token).ok_or(Rejection::TokenInvalid)?;
        let account_id = token.account_id();
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
        let command =
            SetPassword { password, cause: PasswordCause::Reset, reset_token_hash, session_id: None };
        let executed = self.execute(account_id, command.into(), &request).await?;
        // Whoever was slowed down by their own guesses, or others', can log in at once.
        if let Some(contact) = self.credentials.contact(account_id).await? {
            let subjects = self.credentials.address_subjects(&contact.email, request.network).await?;
            self.attempts.right(&subjects.own).await?;
        }
        Ok(executed)
    }

    /// Changes the password of the account that asks, which proves the old one. Its other sessions than this one end, by a
    /// reaction.
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
        let request = self.auth.conceal(request);
        let account_id = request.context.account()?;
        let now = request.context.now;
        let (old, new) = (Password::presented(old), Password::new(new)?);
        if let Some(executed) = self.repeated(account_id, &request).await? {
            return Ok(executed);
        }
        let old = old.map_err(|_| AuthError::Refused)?;
        let payer = self.credentials.account_payer(account_id, request.network).await?;
        let subjects = self.credentials.session_subjects(session_id).await?;
        let tried = match self.attempts.begin(subjects, now).await? {
            Begun::Allowed(tried) => tried,
            Begun::Paused { until } => return Err(AuthError::locked(until, now)),
        };
        match self.verify(account_id, old, payer).await {
            Ok(Verdict::Right | Verdict::RightButOutdated) => self.attempts.right(&subjects.own).await?,
            Ok(Verdict::Wrong) => {
                self.attempts.wrong(&tried, now).await?;
                return Err(AuthError::Refused);
            }
            Err(error) => {
                self.attempts.give_back(&tried).await;
                return Err(error);
            }
        }
        let password = self.auth.passwords.hash(new, self.clock.random(), payer).await?;
        let command = SetPassword {
            password,
            cause: PasswordCause::Change,
            reset_token_hash: None,
            session_id: Some(session_id),
        };
        Ok(self.execute(account_id, command.into(), &request).await?)
    }

    async fn verify(
        &self,
        account_id: AccountId,
        password: Password,
        payer: Payer,
    ) -> Result<Verdict, AuthError> {
        let stored = self.credentials.stored(account_id).await?.and_then(|stored| stored.password);
        Ok(self.auth.passwords.verify(stored, password, payer).await?)
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

    /// Restores the reservations of all registered addresses from the log, after a loss of the write side's tables. Those that
    /// are there stay; gives how many were missing. Safe beside normal operation, and to repeat.
    ///
    /// # Errors
    /// See [`AuthError`]; repeating goes through all of them again.
    pub async fn rebuild_reservations(&self) -> Result<u64, AuthError> {
        let filter = ReadFilter { event_types: vec!["account.registered"], ..ReadFilter::default() };
        let (mut after, mut restored) = (None, 0);
        loop {
            let events = self.executor.log().read_all(after, REBUILD_PAGE_EVENTS, &filter).await?;
            let Some(last) = events.last() else { return Ok(restored) };
            after = Some(last.position);
            let (events, cells): (Vec<_>, Vec<_>) =
                events.iter().filter_map(|event| Some((event, event.sealed_cell()?))).unzip();
            let contacts = self.credentials.sealer.open_all::<AccountContact>(&cells).await?;
            for (event, contact) in events.into_iter().zip(contacts) {
                // An erased address is free again.
                let Some(contact) = contact.clear() else { continue };
                let index = self.credentials.email_index(&contact.email).await?;
                let (kind, owner) = (ReservationKind::Email, event.stream.id);
                let reservations = &self.credentials.reservations;
                restored += u64::from(reservations.restore(kind, &index, owner, event.command_id).await?);
            }
        }
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
