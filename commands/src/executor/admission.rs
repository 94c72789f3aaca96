//! Whether the session that a command comes from stands: by the streams themselves, so at once on every node.

use domain::account::{Account, PasswordEnding};
use domain::device::DeviceSet;
use domain::session::Session;
use domain::{AccountId, DeviceId, SessionId, Timestamp};
use eventstore_schema::Condition;

use super::{ExecuteError, Executor};
use crate::request::Request;

/// What is looked up of a session.
#[derive(Clone, Copy)]
struct Seen {
    account_id: AccountId,
    device_id: Option<DeviceId>,
    is_active: bool,
    password_revision: u64,
}

impl Seen {
    fn of(state: &Session, now: Timestamp) -> Option<Self> {
        Some(Self {
            account_id: state.account_id()?,
            device_id: state.device_id(),
            is_active: state.is_active(now),
            password_revision: state.password_revision()?,
        })
    }

    /// The session, if it stands by what account and devices say of it.
    fn standing(
        self,
        session_id: SessionId,
        account_id: AccountId,
        ending: Option<PasswordEnding>,
        device: (Option<DeviceId>, bool),
    ) -> Option<StandingSession> {
        let (device_id, has_device) = device;
        let has_ended = ending.is_some_and(|ending| ending.ends(session_id, self.password_revision));
        let stands = self.is_active && self.account_id == account_id && !has_ended && has_device;
        stands.then_some(StandingSession { device_id, password_revision: self.password_revision })
    }
}

/// A session that stands.
#[derive(Clone, Copy, Debug)]
pub struct StandingSession {
    /// The device that it acts for; an access token from before it was bound to one does not tell.
    pub device_id: Option<DeviceId>,
    /// Revision, in the account's stream, of the password that it began with.
    pub password_revision: u64,
}

impl Executor {
    /// Refuses a request whose session has ended. Three streams are asked at the same time.
    ///
    /// # Errors
    /// [`ExecuteError::SessionEnded`], and as [`Executor::view`].
    pub async fn admit(&self, request: &Request) -> Result<(), ExecuteError> {
        let Some(session_id) = request.session else { return Ok(()) };
        let account_id = request.context.account()?;
        let (device, now) = (request.context.device, request.context.now);
        if self.stands(session_id, account_id, device, now).await? {
            Ok(())
        } else {
            Err(ExecuteError::SessionEnded)
        }
    }

    /// Whether a session of an account stands: it was not revoked and is not over, its device was not revoked, and the password
    /// was not set anew since but in the session itself.
    ///
    /// # Errors
    /// As [`Executor::view`].
    pub async fn stands(
        &self,
        session_id: SessionId,
        account_id: AccountId,
        device_id: Option<DeviceId>,
        now: Timestamp,
    ) -> Result<bool, ExecuteError> {
        Ok(self.standing_session(session_id, account_id, device_id, now).await?.is_some())
    }

    /// A session of an account, if it stands ([`Executor::stands`]).
    ///
    /// # Errors
    /// As [`Executor::view`].
    pub async fn standing_session(
        &self,
        session_id: SessionId,
        account_id: AccountId,
        device_id: Option<DeviceId>,
        now: Timestamp,
    ) -> Result<Option<StandingSession>, ExecuteError> {
        let devices = |state: &DeviceSet, _| state.active_devices().map(|(id, _)| id).collect::<Vec<_>>();
        let (seen, ending, devices) = tokio::try_join!(
            self.view(session_id, move |state: &Session, _| Seen::of(state, now)),
            self.view::<Account, _>(account_id, |state, _| state.password_ending()),
            self.view(account_id, devices),
        )?;
        let Some(seen) = seen else { return Ok(None) };
        let device_id = seen.device_id.or(device_id);
        let has_device = device_id.is_none_or(|device_id| devices.contains(&device_id));
        Ok(seen.standing(session_id, account_id, ending, (device_id, has_device)))
    }

    /// As [`Executor::admit`], by what is cached: where the streams that it rests on ended. Nothing when something is not cached,
    /// or speaks against it.
    pub(crate) fn peek_admission(&self, request: &Request) -> Option<Vec<Condition>> {
        let Some(session_id) = request.session else { return Some(Vec::new()) };
        let account_id = request.context.account().ok()?;
        let now = request.context.now;
        let (seen, session) = self.peek(session_id, |state: &Session| Seen::of(state, now))?;
        let (ending, account) = self.peek(account_id, Account::password_ending)?;
        let seen = seen?;
        let device_id = seen.device_id.or(request.context.device);
        let is_active = |state: &DeviceSet| device_id.is_none_or(|device_id| state.is_active(device_id));
        let (has_device, devices) = self.peek(account_id, is_active)?;
        seen.standing(session_id, account_id, ending, (device_id, has_device))?;
        Some(vec![session, account, devices])
    }
}
