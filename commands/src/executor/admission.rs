//! Whether the session that a command comes from stands: by the streams themselves, so at once on every node.

use domain::account::Account;
use domain::device::DeviceSet;
use domain::session::Session;
use domain::{AccountId, DeviceId, SessionId, Timestamp};

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

/// A session that stands.
#[derive(Clone, Copy, Debug)]
pub struct StandingSession {
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
        let session = move |state: &Session, _| {
            Some(Seen {
                account_id: state.account_id()?,
                device_id: state.device_id(),
                is_active: state.is_active(now),
                password_revision: state.password_revision()?,
            })
        };
        let devices = |state: &DeviceSet, _| state.active_devices().map(|(id, _)| id).collect::<Vec<_>>();
        let (seen, ending, devices) = tokio::try_join!(
            self.view(session_id, session),
            self.view::<Account, _>(account_id, |state, _| state.password_ending()),
            self.view(account_id, devices),
        )?;
        let Some(seen) = seen.filter(|seen| seen.is_active && seen.account_id == account_id) else {
            return Ok(None);
        };
        let has_ended = ending.is_some_and(|ending| ending.ends(session_id, seen.password_revision));
        let has_device = seen.device_id.or(device_id).is_none_or(|device_id| devices.contains(&device_id));
        let password_revision = seen.password_revision;
        Ok((!has_ended && has_device).then_some(StandingSession { password_revision }))
    }
}
