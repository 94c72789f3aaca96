//! Registering: what an address is, what becomes of it, and the mails that prove it.
//!
//! | an address is | it is registered | its token comes back |
//! | --- | --- | --- |
//! | free | reserved for the account that the command and the address name | |
//! | reserved for an account that is not recorded | the account is recorded, with a password: unconfirmed | |
//! | an unconfirmed account's | its password is voided, the token is sent again | confirmed |
//! | a confirmed account's | its owner is told, once a day | |
//!
//! The first step is one statement ([`Reservations::claim`]), each other one is one command to the account's stream
//! ([`domain::account::commands::Register`], [`domain::account::commands::ConfirmEmail`]), whoever gives it. So there is nothing
//! in between: a registration that is broken off leaves the address in one of these four states, and the next one, or a retry,
//! goes on from there; of many at once the stream takes one first, and the others find it.
//!
//! Nobody is told which state it was: what is done before the answer is the same in all, and the rest is done behind it.
//!
//! [`Reservations::claim`]: crate::reservations::Reservations::claim

use domain::account::commands::{ConfirmEmail, Register, RequestEmailConfirmation, RequestPasswordReset};
use domain::account::{Account, AccountContact, AccountEvent, AccountProfile};
use domain::text::{check_email, check_locale, check_name, normalize_email};
use domain::{AccountId, Rejection};
use zeroize::Zeroizing;

use super::accounts::Accounts;
use super::afterwards::execute_once;
use crate::auth::email_token::{EmailToken, EmailTokenPurpose};
use crate::auth::password::Password;
use crate::auth::turns::Payer;
use crate::auth::{AuthError, evenly};
use crate::executor::{ExecuteError, Executed};
use crate::request::Request;
use crate::reservations::ReservationKind;

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

impl Accounts {
    /// Registers. What the address was is told by e-mail only: the answer, the time it takes and the work done for it are the
    /// same. The account is made behind the answer, once, however often the command is repeated.
    ///
    /// # Errors
    /// [`Rejection::InvalidField`]; see [`AuthError`].
    pub async fn register(&self, request: &Request, new: NewAccount) -> Result<(), AuthError> {
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
        evenly(self.register_checked(request, contact, profile, password)).await
    }

    async fn register_checked(
        &self,
        request: &Request,
        contact: AccountContact,
        profile: AccountProfile,
        password: Password,
    ) -> Result<(), AuthError> {
        let place = self.afterwards.admit()?;
        let index = self.credentials.email_index(&contact.email).await?;
        let request = self.credentials.about(request, &index).await?;
        let subjects = self.credentials.address_subjects(&contact.email, request.network).await?;
        let account = subjects.wide.map_or(subjects.own, |wide| wide.address);
        let payer = Payer { account, network: request.network };
        let password = self.auth.passwords.hash(password, self.clock.random(), payer).await?;
        self.check_log().await?;
        let own: AccountId = request.created_id("account");
        let reservations = &self.credentials.reservations;
        let account_id =
            AccountId::from(reservations.claim(ReservationKind::Email, &index, own.into()).await?);
        let token = self.auth.email_token(EmailTokenPurpose::ConfirmEmail, account_id, request.command.id);
        let command = Register {
            account_id,
            contact,
            password,
            profile,
            confirmation_token_hash: token.hash(),
            confirmation_command_id: request.command.id,
        };
        let executor = self.executor.clone();
        place.run("registration", move || {
            let (executor, command) = (executor.clone(), command.clone());
            async move {
                executor.execute::<Account>(account_id, command.into(), &request).await?;
                Ok(())
            }
        });
        Ok(())
    }

    /// Nobody is told that something will be done while nothing can be.
    async fn check_log(&self) -> Result<(), AuthError> {
        self.executor.writes()?;
        self.executor.log().head().await?;
        Ok(())
    }

    /// Proves the e-mail address by the token that was sent to it.
    ///
    /// # Errors
    /// [`Rejection::TokenInvalid`] whatever is wrong with it; see [`AuthError`].
    pub async fn confirm_email(
        &self,
        request: &Request,
        token: &str,
    ) -> Result<Executed<AccountEvent>, AuthError> {
        let token = EmailToken::parse(token).ok_or(Rejection::TokenInvalid)?;
        let command = ConfirmEmail { token_hash: token.hash() };
        let request = self.credentials.about(request, token.hash().as_bytes()).await?;
        Ok(execute_once::<Account>(&self.executor, token.account_id(), command.into(), &request).await?)
    }

    /// Sends the confirmation token anew, if there is an unconfirmed account of that address; the answer does not tell.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn resend_confirmation(&self, request: &Request, email: &str) -> Result<(), AuthError> {
        self.mail_token(request, email, EmailTokenPurpose::ConfirmEmail).await
    }

    /// Sends a token to set a new password with, if there is an account of that address; the answer does not tell.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn request_password_reset(&self, request: &Request, email: &str) -> Result<(), AuthError> {
        self.mail_token(request, email, EmailTokenPurpose::ResetPassword).await
    }

    async fn mail_token(
        &self,
        request: &Request,
        email: &str,
        purpose: EmailTokenPurpose,
    ) -> Result<(), AuthError> {
        evenly(async {
            let place = self.afterwards.admit()?;
            self.check_log().await?;
            let address = self.credentials.address(&normalize_email(email)).await?;
            let request = self.credentials.about(request, &address.index).await?;
            if !address.is_reserved {
                return Ok(());
            }
            let account_id = address.account_id;
            let (token_command_id, executor) = (request.command.id, self.executor.clone());
            let token_hash = self.auth.email_token(purpose, account_id, token_command_id).hash();
            place.run("mailing a token", move || {
                let command = match purpose {
                    EmailTokenPurpose::ConfirmEmail => {
                        RequestEmailConfirmation { token_hash, token_command_id }.into()
                    }
                    EmailTokenPurpose::ResetPassword => {
                        RequestPasswordReset { token_hash, token_command_id }.into()
                    }
                };
                let executor = executor.clone();
                async move {
                    match executor.execute::<Account>(account_id, command, &request).await {
                        // Reserved by a registration that got no further.
                        Err(ExecuteError::Rejected(Rejection::AccountNotFound)) => Ok(()),
                        answer => Ok(answer.map(|_| ())?),
                    }
                }
            });
            Ok(())
        })
        .await
    }
}
