//! Start a session.

use crate::aggregate::{Context, Draft};
use crate::limits::SESSION_IDLE_SECONDS;
use crate::rejection::Rejection;
use crate::session::{Session, SessionEvent, SessionOrigin, SessionStarted};
use crate::{AccountId, DeviceId, Digest, SessionId};

/// Starts a session after the password was verified.
#[derive(Clone, Debug)]
pub struct StartSession {
    /// The session.
    pub session_id: SessionId,
    /// Who logs in.
    pub account_id: AccountId,
    /// From which active device of the account, if any.
    pub device_id: Option<DeviceId>,
    /// BLAKE3 of the first refresh token.
    pub refresh_hash: Digest,
    /// Revision, in the account's stream, of the password that was verified.
    pub password_revision: u64,
    /// Where from.
    pub origin: SessionOrigin,
}

impl StartSession {
    pub(super) fn decide(
        &self,
        state: &Session,
        context: &Context,
    ) -> Result<Vec<Draft<SessionEvent>>, Rejection> {
        if state.session_id().is_some() {
            return Err(Rejection::SessionExists);
        }
        let started = SessionStarted {
            session_id: self.session_id,
            account_id: self.account_id,
            device_id: self.device_id,
            refresh_hash: self.refresh_hash,
            expires_at: context.now.plus_seconds(SESSION_IDLE_SECONDS),
            password_revision: self.password_revision,
        };
        Ok(vec![Draft::sealed(started, self.origin.clone(), self.account_id)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Actor;
    use crate::session::tests::{ANN, SESSION, start, started};
    use crate::testing::{NOW, as_actor, given, when};

    #[test]
    fn a_session_starts_once() {
        let context = as_actor(Actor::ANONYMOUS);
        assert_eq!(when(&Session::default(), start(), &context), Ok(vec![started()]));
        let state = given::<Session>([started()]);
        assert_eq!((state.session_id(), state.account_id()), (Some(SESSION), Some(ANN)));
        assert_eq!(state.password_revision(), Some(start().password_revision));
        assert!(state.is_active(NOW));
        assert_eq!(when(&state, start(), &context), Err(Rejection::SessionExists));
    }
}
