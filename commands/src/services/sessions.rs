//! Logging in and out.

use std::sync::Arc;

use domain::account::commands::{AccountCommand, LockLogin, SetPassword};
use domain::account::{Account, AccountPassword, PasswordCause, Standing};
use domain::device::proof::{login_proof, refresh_proof};
use domain::device::{DeviceProof, DeviceSet};
use domain::session::commands::{RefreshSession, RevokeSession, SessionCommand, StartSession};
use domain::session::{Session, SessionEvent, SessionOrigin, SessionRevocationCause};
use domain::text::normalize_email;
use domain::{AccountId, DeviceId, Digest, Rejection, SessionId, Timestamp};
use eventstore_schema::Position;
use prometheus::IntCounterVec;
use zeroize::Zeroizing;

use super::afterwards::execute_once;
use super::credentials::{Credentials, Stored};
use crate::auth::access_token::{Identity, TokenError};
use crate::auth::attempts::{Begun, Guessed, LoginAttempts};
use crate::auth::password::{Password, Verdict};
use crate::auth::refresh_token::RefreshToken;
use crate::auth::revocations::Judgement;
use crate::auth::turns::Payer;
use crate::auth::{Auth, AuthError, evenly};
use crate::clock::Clock;
use crate::executor::{ExecuteError, Executed, Executor};
use crate::limits::OVERLOADED_RETRY_AFTER;
use crate::request::Request;

/// Longest user agent that is kept, in characters.
const USER_AGENT_CHARS_MAX: usize = 200;

/// Who logs in, from where.
pub struct Login {
    /// Address as typed.
    pub email: String,
    /// Password as typed.
    pub password: Zeroizing<String>,
    /// The device that it comes from, if it is enrolled already.
    pub device_id: Option<DeviceId>,
    /// That device's signature, if it gives one: [`login_proof`].
    pub device_proof: Option<DeviceProof>,
    /// Where from; the user agent is cut.
    pub origin: SessionOrigin,
}

/// What became of verifying a password.
enum Verified {
    /// It is the account's.
    Right {
        /// Where it stands.
        place: u64,
        /// The password, if it is to be hashed anew.
        outdated: Option<Password>,
    },
    /// It is not, or opens nothing.
    Wrong {
        /// How far the account has come; for the record, never for the answer.
        standing: Standing,
    },
}

/// What a login or a refresh gives. Not to be logged.
pub struct LoggedIn {
    /// Who.
    pub account_id: AccountId,
    /// The session.
    pub session_id: SessionId,
    /// The device that the session acts for.
    pub device_id: Option<DeviceId>,
    /// For the header `Authorization`.
    pub access_token: Zeroizing<String>,
    /// From when on it is refused.
    pub access_expires_at: Timestamp,
    /// To be exchanged for the next pair, once.
    pub refresh_token: Zeroizing<String>,
    /// From when on it is refused.
    pub refresh_expires_at: Timestamp,
    /// Position of the session's newest event.
    pub position: Position,
}

/// Why an access token is refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// The token itself is not valid.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Its session has ended, or its device was revoked.
    #[error("the session of the access token has ended")]
    Ended,
    /// Whether the session lives cannot be told: try again.
    #[error("the session of the access token cannot be looked up")]
    Unavailable(#[source] ExecuteError),
}

/// What is looked up of a session.
#[derive(Clone, Copy)]
struct Seen {
    account_id: AccountId,
    device_id: Option<DeviceId>,
    expires_at: Timestamp,
    is_active: bool,
    is_current: bool,
}

/// Use cases of sessions.
#[derive(Clone)]
pub struct Sessions {
    executor: Executor,
    credentials: Credentials,
    attempts: LoginAttempts,
    auth: Arc<Auth>,
    clock: Clock,
    logins: IntCounterVec,
}

impl Sessions {
    pub(super) fn new(
        credentials: Credentials,
        attempts: LoginAttempts,
        auth: Arc<Auth>,
        clock: Clock,
        logins: IntCounterVec,
    ) -> Self {
        Self { executor: credentials.executor.clone(), credentials, attempts, auth, clock, logins }
    }

    /// Whom an access token speaks for, if it is valid and neither its session nor its device was revoked, on any node.
    ///
    /// # Errors
    /// See [`AuthenticateError`].
    pub async fn authenticate(&self, token: &str) -> Result<Identity, AuthenticateError> {
        let identity = self.auth.tokens.verify(token, self.clock.now())?;
        let revocations = &self.auth.revocations;
        match revocations.judge(&identity) {
            Judgement::Holds => return Ok(identity),
            Judgement::Revoked => return Err(AuthenticateError::Ended),
            Judgement::Unknown => {}
        }
        let asked = revocations.ask(&identity);
        let Identity { account_id, session_id, device_id, .. } = identity;
        let now = self.clock.now();
        let standing = self.executor.standing_session(session_id, account_id, device_id, now).await;
        let Some(standing) = standing.map_err(AuthenticateError::Unavailable)? else {
            revocations.session_revoked(session_id, self.clock.now());
            return Err(AuthenticateError::Ended);
        };
        // The list knows revoked devices; a token that does not name the session's cannot be judged by it.
        if standing.device_id == device_id {
            revocations.vouch(&identity, asked);
        }
        Ok(identity)
    }

    /// Logs in. An unknown address, one that nobody has proved, a wrong password and an erased account cost the same and are
    /// answered alike.
    ///
    /// A retry under the same command id with the right password gives the same session and the same refresh token.
    ///
    /// # Errors
    /// [`AuthError::Refused`], [`AuthError::Locked`]; with the right password also [`Rejection::DeviceNotFound`],
    /// [`Rejection::DeviceRevoked`]; see [`AuthError`] for the rest.
    pub async fn login(&self, request: &Request, login: Login) -> Result<LoggedIn, AuthError> {
        let answer = evenly(self.verify_and_start(request, login)).await;
        let outcome = match &answer {
            Ok(_) => "accepted",
            Err(AuthError::Refused | AuthError::RefreshRefused) => "wrong",
            Err(AuthError::Locked { .. }) => "paused",
            Err(AuthError::Overloaded { .. }) => "overloaded",
            // With the right password: the device is unknown, or revoked.
            Err(AuthError::Execute(ExecuteError::Rejected(_))) => "rejected",
            Err(AuthError::Execute(_) | AuthError::Unavailable(_) | AuthError::Damaged(_)) => "failed",
        };
        self.logins.with_label_values(&[outcome]).inc();
        answer
    }

    async fn verify_and_start(&self, request: &Request, login: Login) -> Result<LoggedIn, AuthError> {
        let now = request.context.now;
        let email = normalize_email(&login.email);
        let address = self.credentials.address(&email).await?;
        let account_id = address.account_id;
        let request = self.credentials.about(request, &address.index).await?;
        let subjects = match self.shown_device(account_id, &login, now).await? {
            Some((account_id, device_id)) => self.credentials.device_subjects(account_id, device_id).await?,
            None => self.credentials.address_subjects(&email, request.network).await?,
        };
        let tried = match self.attempts.begin(subjects, now).await? {
            Begun::Allowed(tried) => tried,
            Begun::Paused { until } => return Err(AuthError::locked(until, now)),
        };
        let account = subjects.wide.map_or(subjects.own, |wide| wide.address);
        let payer = Payer { account, network: request.network };
        let verifying = self.verify(account_id, login.password, payer);
        let verified = match self.attempts.verified(&tried, verifying).await? {
            Verified::Right { place, outdated } => (place, outdated),
            Verified::Wrong { standing } => {
                let guessed = self.attempts.wrong(&tried, now).await?;
                self.lock(&request, account_id, standing, guessed);
                return Err(AuthError::Refused);
            }
        };
        self.attempts.right(&subjects.own).await?;
        let place = match verified {
            (place, Some(password)) => self.upgrade(&request, account_id, (password, place), payer).await?,
            (place, None) => place,
        };
        self.start(&request, account_id, login.device_id, login.origin, place).await
    }

    /// The device that a login comes from, if that device's key has signed it.
    async fn shown_device(
        &self,
        account_id: AccountId,
        login: &Login,
        now: Timestamp,
    ) -> Result<Option<(AccountId, DeviceId)>, AuthError> {
        let (Some(device_id), Some(proof)) = (login.device_id, login.device_proof) else {
            return Ok(None);
        };
        let bytes = login_proof(account_id, device_id, proof.signed_at);
        let is_shown = self.is_signed(account_id, device_id, proof, bytes, now).await?;
        Ok(is_shown.then_some((account_id, device_id)))
    }

    /// Whether a proof is of an active device of the account.
    async fn is_signed(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        proof: DeviceProof,
        bytes: Vec<u8>,
        now: Timestamp,
    ) -> Result<bool, ExecuteError> {
        let look = move |state: &DeviceSet, _| state.verify_key(device_id);
        let key = self.executor.view(account_id, look).await?;
        Ok(key.is_some_and(|key| proof.holds(&key, &bytes, now)))
    }

    /// Verifies a password. An account that nobody has registered, or that has no password, costs the same; the right password
    /// of one whose address nobody has proved is as wrong as any.
    async fn verify(
        &self,
        account_id: AccountId,
        password: Zeroizing<String>,
        payer: Payer,
    ) -> Result<Verified, AuthError> {
        let Stored { standing, place, password: hash } = self.credentials.stored(account_id).await?;
        // One that is longer than any password is wrong, at the cost of a verification like any other wrong one.
        let password =
            Password::presented(password).or_else(|_| Password::presented(Zeroizing::default()))?;
        let replacement = password.clone();
        let verdict = self.auth.passwords.verify(hash, password, payer).await?;
        Ok(match (verdict, standing, place) {
            (Verdict::Right, Standing::Confirmed, Some(place)) => Verified::Right { place, outdated: None },
            (Verdict::RightButOutdated, Standing::Confirmed, Some(place)) => {
                Verified::Right { place, outdated: Some(replacement) }
            }
            _ => Verified::Wrong { standing },
        })
    }

    /// Records that a known account is guessed at, beside the answer: whether there is one must not show in the time it takes.
    fn lock(&self, request: &Request, account_id: AccountId, standing: Standing, guessed: Option<Guessed>) {
        let Some(Guessed { failures, until }) = guessed.filter(|_| standing != Standing::Unregistered) else {
            return;
        };
        let request = request.step_of_system(&format!("lock after {failures}"));
        let executor = self.executor.clone();
        self.executor.runtime().spawn(async move {
            let command = AccountCommand::LockLogin(LockLogin { failures, until });
            if let Err(error) = executor.execute::<Account>(account_id, command, &request).await {
                tracing::warn!(%error, %account_id, "logins are slowed down, which is not on record");
            }
        });
    }

    /// Hashes the password anew that has just been verified under parameters of another day; gives where it stands now.
    async fn upgrade(
        &self,
        request: &Request,
        account_id: AccountId,
        (password, place): (Password, u64),
        payer: Payer,
    ) -> Result<u64, AuthError> {
        let password: AccountPassword =
            self.auth.passwords.hash(password, self.clock.random(), payer).await?;
        let request = request.step_of_system("upgrade password");
        let (cause, reset_token_hash, session_id) = (PasswordCause::Upgrade, None, None);
        let verified = Some(place);
        let command = SetPassword { password, cause, reset_token_hash, session_id, verified };
        let command = AccountCommand::SetPassword(command);
        match execute_once::<Account>(&self.executor, account_id, command, &request).await {
            // Set anew or upgraded meanwhile: asked again, that one is verified.
            Err(ExecuteError::Rejected(Rejection::SessionEnded)) => {
                Err(AuthError::Overloaded { retry_after: OVERLOADED_RETRY_AFTER })
            }
            answer => Ok(answer?.revision.get()),
        }
    }

    async fn start(
        &self,
        request: &Request,
        account_id: AccountId,
        device_id: Option<DeviceId>,
        mut origin: SessionOrigin,
        place: u64,
    ) -> Result<LoggedIn, AuthError> {
        if let Some(device_id) = device_id {
            self.check_device(account_id, device_id).await?;
        }
        origin.user_agent = origin.user_agent.map(|text| text.chars().take(USER_AGENT_CHARS_MAX).collect());
        let session_id = request.created_id("session");
        let token = self.auth.first_refresh_token(session_id);
        let refresh_hash = token.hash();
        let command = StartSession {
            session_id,
            account_id,
            device_id,
            refresh_hash,
            password_revision: place,
            origin,
        };
        let command = SessionCommand::Start(command);
        let executed = execute_once::<Session>(&self.executor, session_id, command, request).await?;
        if !self.credentials.is_current(account_id, place).await? {
            // The password was set anew while the old one was being verified: the session must not outlive it.
            self.end(request, session_id, SessionRevocationCause::PasswordChanged).await?;
            return Err(AuthError::Refused);
        }
        self.give(session_id, &token, &executed).await
    }

    async fn check_device(&self, account_id: AccountId, device_id: DeviceId) -> Result<(), AuthError> {
        let look = move |state: &DeviceSet, _| (state.is_active(device_id), state.is_revoked(device_id));
        match self.executor.view(account_id, look).await? {
            (true, _) => Ok(()),
            (false, true) => Err(Rejection::DeviceRevoked.into()),
            (false, false) => Err(Rejection::DeviceNotFound.into()),
        }
    }

    /// Exchanges a refresh token for the next pair. Repeating the last exchange gives the same refresh token, for half a minute
    /// to whoever asks and at any time to the session's device, which shows itself by `proof` ([`refresh_proof`]); else, and
    /// for any older token, the session ends. A token that this platform did not make changes nothing.
    ///
    /// # Errors
    /// [`AuthError::RefreshRefused`] whatever is wrong with the token; see [`AuthError`] for the rest.
    pub async fn refresh(
        &self,
        request: &Request,
        text: &str,
        proof: Option<DeviceProof>,
    ) -> Result<LoggedIn, AuthError> {
        let token = self.auth.read_refresh_token(text).ok_or(AuthError::RefreshRefused)?;
        let session_id = token.session_id();
        let seen = self.look(session_id, None).await?.ok_or(AuthError::RefreshRefused)?;
        if !self.executor.stands(session_id, seen.account_id, seen.device_id, self.clock.now()).await? {
            return Err(AuthError::RefreshRefused);
        }
        let signed_by = match (seen.device_id, proof) {
            (Some(device_id), Some(proof)) => {
                let bytes = refresh_proof(session_id, device_id, text, proof.signed_at);
                let now = request.context.now;
                self.is_signed(seen.account_id, device_id, proof, bytes, now).await?.then_some(device_id)
            }
            _ => None,
        };
        let successor = self.auth.successor(&token);
        let (presented_hash, successor_hash) = (token.hash(), successor.hash());
        let command = RefreshSession { presented_hash, successor_hash, signed_by };
        // The token itself says which exchange is repeated. An idempotency key would have a copy of the whole request answered
        // at any time.
        let mut request = *request;
        request.command.id = self.clock.new_id();
        let executed = match self
            .executor
            .execute::<Session>(session_id, SessionCommand::Refresh(command), &request)
            .await
        {
            Err(ExecuteError::Rejected(Rejection::SessionEnded | Rejection::SessionNotFound)) => {
                return Err(AuthError::RefreshRefused);
            }
            answer => answer?,
        };
        if executed.events.iter().any(|event| matches!(event, SessionEvent::Revoked(_))) {
            tracing::warn!(%session_id, "a refresh token was used again: the session is ended");
            self.auth.revocations.session_revoked(session_id, request.context.now);
            return Err(AuthError::RefreshRefused);
        }
        self.give(session_id, &successor, &executed).await
    }

    /// The pair for a session whose refresh token is `token`.
    async fn give(
        &self,
        session_id: SessionId,
        token: &RefreshToken,
        executed: &Executed<SessionEvent>,
    ) -> Result<LoggedIn, AuthError> {
        let seen = self.look(session_id, Some(token.hash())).await?.ok_or(AuthError::RefreshRefused)?;
        // An answer repeated long after: its token was exchanged since, and giving it out would end the session.
        if !seen.is_active || !seen.is_current {
            return Err(AuthError::RefreshRefused);
        }
        let now = self.clock.now();
        let (access_token, access_expires_at) =
            self.auth.tokens.issue(seen.account_id, session_id, seen.device_id, now, self.clock.new_id())?;
        Ok(LoggedIn {
            account_id: seen.account_id,
            session_id,
            device_id: seen.device_id,
            access_token: Zeroizing::new(access_token),
            access_expires_at,
            refresh_token: self.auth.expose(token),
            refresh_expires_at: seen.expires_at,
            position: executed.position,
        })
    }

    /// Ends the session that the request comes from.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn logout(
        &self,
        request: &Request,
        session_id: SessionId,
    ) -> Result<Executed<SessionEvent>, ExecuteError> {
        self.end(request, session_id, SessionRevocationCause::Logout).await
    }

    /// Ends another session of the account.
    ///
    /// # Errors
    /// [`Rejection::SessionNotFound`] for sessions of others, too; see [`ExecuteError`].
    pub async fn revoke(
        &self,
        request: &Request,
        session_id: SessionId,
    ) -> Result<Executed<SessionEvent>, ExecuteError> {
        self.end(request, session_id, SessionRevocationCause::Requested).await
    }

    async fn end(
        &self,
        request: &Request,
        session_id: SessionId,
        cause: SessionRevocationCause,
    ) -> Result<Executed<SessionEvent>, ExecuteError> {
        let mut request = *request;
        if cause == SessionRevocationCause::PasswordChanged {
            request = request.step_of_system("end session");
        }
        let command = SessionCommand::Revoke(RevokeSession { cause });
        let executed = self.executor.execute::<Session>(session_id, command, &request).await?;
        self.auth.revocations.session_revoked(session_id, request.context.now);
        Ok(executed)
    }

    async fn look(
        &self,
        session_id: SessionId,
        refresh_hash: Option<Digest>,
    ) -> Result<Option<Seen>, ExecuteError> {
        let now = self.clock.now();
        let look = move |state: &Session, _| {
            Some(Seen {
                account_id: state.account_id()?,
                device_id: state.device_id(),
                expires_at: state.expires_at()?,
                is_active: state.is_active(now),
                is_current: refresh_hash.is_some_and(|hash| state.is_current(&hash)),
            })
        };
        self.executor.view::<Session, _>(session_id, look).await
    }
}
