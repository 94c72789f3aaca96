//! Ends sessions: those of a revoked device, and an account's others when its password is set anew. It keeps its own index of
//! an account's sessions, in the order of the log, so that no session is missed.

use async_trait::async_trait;
use domain::account::{AccountEvent, PasswordCause, PasswordSet};
use domain::device::{DeviceEvent, DeviceSet};
use domain::session::commands::{RevokeSession, SessionCommand};
use domain::session::{Session, SessionEvent, SessionRevocationCause};
use domain::{AccountId, DeviceId, Event, SessionId};
use eventstore_schema::RecordedEvent;
use eventstore_schema::database::Pool;
use uuid::Uuid;

use super::indexes::Change;
use super::{Lead, Reaction, ReactionError};
use crate::clock::Clock;
use crate::executor::Executor;
use crate::request::Request;

pub(super) const NAME: &str = "session_revoke";
/// Sessions that may be over which each new one makes the reaction look at: more than one, so that the index comes down to
/// those that live.
const STALE_PER_START: i64 = 2;
/// For how long a session is over before it is forgotten, in seconds: far longer than the clocks of two nodes are apart, so
/// that none is forgotten which another node still refreshes.
const FORGET_SECONDS: i64 = 86_400;

/// Names of the events that make and take away rows of the index.
pub(super) const INDEXED_TYPES: &[&str] = &["session.started", "session.device_bound", "session.revoked"];

/// What an event changes in the index of an account's sessions.
pub(super) fn change(event: &SessionEvent) -> Option<Change> {
    Some(match event {
        SessionEvent::Started(event) => {
            let sql = "INSERT INTO write.sessions_by_account (account_id, session_id, device_id, expires_at) \
                       VALUES ($1, $2, $3, $4) ON CONFLICT (account_id, session_id) DO NOTHING";
            let device = Box::new(event.device_id.map(|id| id.as_uuid()));
            let (account, session) = (event.account_id.as_uuid(), event.session_id.as_uuid());
            let expires = Box::new(event.expires_at.as_micros());
            Change::new(sql, vec![Box::new(account), Box::new(session), device, expires])
        }
        SessionEvent::DeviceBound(event) => {
            let sql = "UPDATE write.sessions_by_account SET device_id = $3 \
                       WHERE account_id = $1 AND session_id = $2";
            let (account, session) = (event.account_id.as_uuid(), event.session_id.as_uuid());
            let device = Box::new(event.device_id.as_uuid());
            Change::new(sql, vec![Box::new(account), Box::new(session), device])
        }
        SessionEvent::Revoked(event) => {
            let sql = "DELETE FROM write.sessions_by_account WHERE account_id = $1 AND session_id = $2";
            let (account, session) = (event.account_id.as_uuid(), event.session_id.as_uuid());
            Change::new(sql, vec![Box::new(account), Box::new(session)])
        }
        SessionEvent::Refreshed(_) => return None,
    })
}

/// The reaction.
pub(super) struct SessionRevoke {
    executor: Executor,
    pool: Pool,
    clock: Clock,
}

impl SessionRevoke {
    pub(super) fn new(executor: Executor, pool: Pool, clock: Clock) -> Self {
        Self { executor, pool, clock }
    }

    /// An account's sessions with their devices.
    async fn sessions(
        &self,
        account_id: AccountId,
    ) -> Result<Vec<(SessionId, Option<DeviceId>)>, ReactionError> {
        let sql = "SELECT session_id, device_id FROM write.sessions_by_account WHERE account_id = $1";
        let client = self.pool.get().await?;
        let statement = client.prepare_cached(sql).await?;
        let mut sessions = Vec::new();
        for row in client.query(&statement, &[&account_id.as_uuid()]).await? {
            let (session, device): (Uuid, Option<Uuid>) = (row.try_get(0)?, row.try_get(1)?);
            sessions.push((SessionId::from(session), device.map(DeviceId::from)));
        }
        Ok(sessions)
    }

    async fn revoke(
        &self,
        lead: &Lead,
        event: &RecordedEvent,
        id: SessionId,
        cause: SessionRevocationCause,
    ) -> Result<(), ReactionError> {
        let request = Request::reaction(NAME, event, id.as_bytes(), self.clock.now());
        let command = SessionCommand::Revoke(RevokeSession { cause });
        lead.check()?;
        self.executor.execute::<Session>(id, command, &request).await?;
        Ok(())
    }

    /// Ends sessions. One that cannot be ended keeps no other alive.
    async fn revoke_all(
        &self,
        lead: &Lead,
        event: &RecordedEvent,
        ids: impl Iterator<Item = SessionId>,
        cause: SessionRevocationCause,
    ) -> Result<(), ReactionError> {
        let mut answer = Ok(());
        for id in ids {
            answer = answer.and(self.revoke(lead, event, id, cause).await);
        }
        answer
    }

    /// Ends a session that acts for a device which was revoked while the session was being made.
    async fn check_device(
        &self,
        lead: &Lead,
        event: &RecordedEvent,
        account_id: AccountId,
        session_id: SessionId,
        device_id: Option<DeviceId>,
    ) -> Result<(), ReactionError> {
        let Some(device_id) = device_id else { return Ok(()) };
        let look = move |state: &DeviceSet, _| state.is_revoked(device_id);
        if self.executor.view(account_id, look).await? {
            self.revoke(lead, event, session_id, SessionRevocationCause::DeviceRevoked).await?;
        }
        Ok(())
    }

    /// Takes sessions out of the index that were over long ago, a few at a time. Of one that was refreshed it notes until
    /// when it lives now.
    async fn forget_stale(&self, lead: &Lead) -> Result<(), ReactionError> {
        let now = self.clock.now();
        let over = now.plus_seconds(-FORGET_SECONDS);
        let client = self.pool.get().await?;
        let sql = "SELECT account_id, session_id FROM write.sessions_by_account \
                   WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2";
        let statement = client.prepare_cached(sql).await?;
        let stale = client.query(&statement, &[&over.as_micros(), &STALE_PER_START]).await?;
        drop(client);
        for row in stale {
            let (account, session): (Uuid, Uuid) = (row.try_get(0)?, row.try_get(1)?);
            let look = |state: &Session, _| state.expires_at();
            let expires = match self.executor.view(SessionId::from(session), look).await {
                Ok(expires) => expires,
                // Another account's, which is no reason to keep this one waiting: it is looked at again later.
                Err(error) => {
                    tracing::warn!(%error, %session, "a session cannot be read and stays in the index");
                    Some(now)
                }
            };
            if let Some(expires) = expires.filter(|expires| *expires > over) {
                let sql = "UPDATE write.sessions_by_account SET expires_at = $3 \
                           WHERE account_id = $1 AND session_id = $2";
                lead.write(sql, &[&account, &session, &expires.as_micros()]).await?;
            } else {
                let sql = "DELETE FROM write.sessions_by_account WHERE account_id = $1 AND session_id = $2";
                lead.write(sql, &[&account, &session]).await?;
            }
        }
        Ok(())
    }

    async fn session(
        &self,
        lead: &Lead,
        recorded: &RecordedEvent,
        event: &SessionEvent,
    ) -> Result<(), ReactionError> {
        if let SessionEvent::Started(_) = event {
            self.forget_stale(lead).await?;
        }
        if let Some(change) = change(event) {
            lead.write(change.sql, &change.values()).await?;
        }
        match event {
            SessionEvent::Started(event) => {
                self.check_device(lead, recorded, event.account_id, event.session_id, event.device_id).await
            }
            SessionEvent::DeviceBound(event) => {
                self.check_device(lead, recorded, event.account_id, event.session_id, Some(event.device_id))
                    .await
            }
            SessionEvent::Revoked(_) | SessionEvent::Refreshed(_) => Ok(()),
        }
    }

    /// The session in which the password was changed goes on; a reset ends all.
    async fn password_set(
        &self,
        lead: &Lead,
        recorded: &RecordedEvent,
        event: &PasswordSet,
    ) -> Result<(), ReactionError> {
        match event.cause {
            PasswordCause::Registration | PasswordCause::Upgrade => return Ok(()),
            PasswordCause::Change | PasswordCause::Reset => {}
        }
        let others = self.sessions(event.account_id).await?.into_iter();
        let others = others.map(|(id, _)| id).filter(|id| event.session_id != Some(*id));
        self.revoke_all(lead, recorded, others, SessionRevocationCause::PasswordChanged).await
    }
}

#[async_trait]
impl Reaction for SessionRevoke {
    fn name(&self) -> &'static str {
        NAME
    }

    fn event_types(&self) -> &'static [&'static str] {
        &[
            "session.started",
            "session.device_bound",
            "session.revoked",
            "device.revoked",
            "account.password_set",
        ]
    }

    async fn react(&self, lead: &Lead, recorded: &RecordedEvent, event: &Event) -> Result<(), ReactionError> {
        match event {
            Event::Session(event) => self.session(lead, recorded, event).await,
            Event::Device(DeviceEvent::Revoked(event)) => {
                let all = self.sessions(event.account_id).await?.into_iter();
                let its = all.filter(|(_, device)| *device == Some(event.device_id)).map(|(id, _)| id);
                self.revoke_all(lead, recorded, its, SessionRevocationCause::DeviceRevoked).await
            }
            Event::Account(AccountEvent::PasswordSet(event)) => {
                self.password_set(lead, recorded, event).await
            }
            _ => Ok(()),
        }
    }
}
