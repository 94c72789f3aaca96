//! Revoke a session.

use crate::aggregate::{Context, Draft};
use crate::rejection::Rejection;
use crate::session::{Session, SessionEvent, SessionRevocationCause, SessionRevoked};

/// Ends the session: its account may, and the platform. Ending it again does nothing.
#[derive(Clone, Debug)]
pub struct RevokeSession {
    /// Why.
    pub cause: SessionRevocationCause,
}

impl RevokeSession {
    pub(super) fn decide(
        &self,
        state: &Session,
        context: &Context,
    ) -> Result<Vec<Draft<SessionEvent>>, Rejection> {
        let session = state.started()?;
        session.check_owner(context)?;
        if state.revoked().is_some() {
            return Ok(Vec::new());
        }
        let (session_id, account_id) = (session.session_id, session.account_id);
        Ok(vec![Draft::open(SessionRevoked { session_id, account_id, cause: self.cause })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Actor;
    use crate::session::tests::{ANN, BEN, revoked, started};
    use crate::testing::{as_actor, by, given, happen, when};

    const LOGOUT: SessionRevocationCause = SessionRevocationCause::Logout;

    #[test]
    fn its_account_and_the_platform_end_it_once() {
        for context in [by(ANN), as_actor(Actor::SYSTEM), as_actor(Actor::OPERATOR)] {
            let mut state = given::<Session>([started()]);
            let revoke = || RevokeSession { cause: LOGOUT };
            assert_eq!(happen(&mut state, revoke(), &context), Ok(vec![revoked(LOGOUT)]));
            assert_eq!(state.revoked(), Some(LOGOUT));
            assert_eq!(when(&state, revoke(), &context), Ok(vec![]));
        }
    }

    #[test]
    fn for_others_it_is_unknown() {
        let state = given::<Session>([started()]);
        let revoke = || RevokeSession { cause: LOGOUT };
        assert_eq!(when(&state, revoke(), &by(BEN)), Err(Rejection::SessionNotFound));
        assert_eq!(when(&Session::default(), revoke(), &by(ANN)), Err(Rejection::SessionNotFound));
        let anonymous = as_actor(Actor::ANONYMOUS);
        assert_eq!(when(&state, revoke(), &anonymous), Err(Rejection::AccountRequired));
    }
}
