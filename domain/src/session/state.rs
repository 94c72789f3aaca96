//! What a session's events add up to.

use serde::{Deserialize, Serialize};

use crate::aggregate::{ActorKind, Aggregate, Category, Context, Draft};
use crate::rejection::Rejection;
use crate::violation::Violation;
use crate::{AccountId, DeviceId, Digest, OrganizationId, SessionId, Timestamp};

use super::check;
use super::commands::SessionCommand;
use super::{SessionEvent, SessionRevocationCause};

/// A session once it was started.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Started {
    pub(super) session_id: SessionId,
    pub(super) account_id: AccountId,
    pub(super) device_id: Option<DeviceId>,
    pub(super) current: Digest,
    pub(super) previous: Option<Digest>,
    pub(super) rotation: u32,
    /// When the current token took the place of the one before.
    pub(super) rotated_at: Timestamp,
    /// The device that signed for that.
    pub(super) exchanged_by: Option<DeviceId>,
    pub(super) expires_at: Timestamp,
    pub(super) password_revision: u64,
}

/// A login session. Of its refresh tokens it knows the last two, by hash.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Session {
    started: Option<Started>,
    revoked: Option<SessionRevocationCause>,
}

impl Session {
    /// The session's id; `None` for a stream without events.
    pub fn session_id(&self) -> Option<SessionId> {
        self.started.map(|started| started.session_id)
    }

    /// Who logged in.
    pub fn account_id(&self) -> Option<AccountId> {
        self.started.map(|started| started.account_id)
    }

    /// The device that the session acts for.
    pub fn device_id(&self) -> Option<DeviceId> {
        self.started.and_then(|started| started.device_id)
    }

    /// Whether the refresh token with this hash is the current one.
    pub fn is_current(&self, refresh_hash: &Digest) -> bool {
        self.started.is_some_and(|started| started.current.matches(refresh_hash))
    }

    /// How often the refresh token was exchanged.
    pub fn rotation(&self) -> u32 {
        self.started.map_or(0, |started| started.rotation)
    }

    /// From when on the refresh token is refused.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.started.map(|started| started.expires_at)
    }

    /// Revision, in the account's stream, of the password that it began with.
    pub fn password_revision(&self) -> Option<u64> {
        self.started.map(|started| started.password_revision)
    }

    /// Why it was revoked, if it was.
    pub fn revoked(&self) -> Option<SessionRevocationCause> {
        self.revoked
    }

    /// Whether it was started, not revoked, and its refresh token still holds.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.started.is_some_and(|started| now < started.expires_at)
    }

    /// The session, if it was ever started.
    pub(super) fn started(&self) -> Result<Started, Rejection> {
        self.started.ok_or(Rejection::SessionNotFound)
    }

    /// The session, if it is active.
    pub(super) fn active(&self, now: Timestamp) -> Result<Started, Rejection> {
        let started = self.started()?;
        if self.is_active(now) { Ok(started) } else { Err(Rejection::SessionEnded) }
    }
}

impl Started {
    /// Refuses other accounts, for which the session is unknown. The platform and its operators pass.
    pub(super) fn check_owner(&self, context: &Context) -> Result<(), Rejection> {
        match context.actor.kind {
            ActorKind::System | ActorKind::Operator => Ok(()),
            ActorKind::Anonymous => Err(Rejection::AccountRequired),
            ActorKind::Account if context.account()? == self.account_id => Ok(()),
            ActorKind::Account => Err(Rejection::SessionNotFound),
        }
    }
}

impl Aggregate for Session {
    const CATEGORY: Category = Category::Session;
    const STATE_VERSION: u16 = 3;
    type Id = SessionId;
    type Event = SessionEvent;
    type Command = SessionCommand;

    fn decide(
        &self,
        command: &SessionCommand,
        context: &Context,
    ) -> Result<Vec<Draft<SessionEvent>>, Rejection> {
        command.decide(self, context)
    }

    fn id_of(event: &Self::Event) -> Self::Id {
        check::id_of(event)
    }

    fn check(&self, event: &Self::Event) -> Result<(), Violation> {
        check::check(self, event)
    }

    fn evolve(&mut self, event: &SessionEvent, at: Timestamp) {
        match event {
            SessionEvent::Started(event) => {
                self.started = Some(Started {
                    session_id: event.session_id,
                    account_id: event.account_id,
                    device_id: event.device_id,
                    current: event.refresh_hash,
                    previous: None,
                    rotation: 0,
                    rotated_at: at,
                    exchanged_by: None,
                    expires_at: event.expires_at,
                    password_revision: event.password_revision,
                });
            }
            SessionEvent::Refreshed(event) => {
                if let Some(started) = &mut self.started {
                    started.previous = Some(started.current);
                    started.current = event.refresh_hash;
                    started.rotation = event.rotation;
                    started.rotated_at = at;
                    started.exchanged_by = event.signed_by;
                    started.expires_at = event.expires_at;
                }
            }
            SessionEvent::DeviceBound(event) => {
                if let Some(started) = &mut self.started {
                    started.device_id = Some(event.device_id);
                }
            }
            SessionEvent::Revoked(event) => self.revoked = Some(event.cause),
        }
    }

    fn organization(&self) -> Option<OrganizationId> {
        None
    }
}
