//! Refresh a session.

use crate::Digest;
use crate::aggregate::{Context, Draft};
use crate::limits::SESSION_IDLE_SECONDS;
use crate::rejection::Rejection;
use crate::session::{Session, SessionEvent, SessionRefreshed, SessionRevocationCause, SessionRevoked};

/// Exchanges the refresh token. The token names its session, so any token presented here claims to be of this one.
///
/// - The current token is exchanged for its successor.
/// - The one before it, with the successor it had, does nothing: the caller gives the same answer again, as the first one
///   may have been lost.
/// - Any other one was used up or is forged: somebody has a copy, and the session is revoked. That is an event, not a
///   rejection; the caller finds the session ended afterwards.
#[derive(Clone, Debug)]
pub struct RefreshSession {
    /// BLAKE3 of the token presented.
    pub presented_hash: Digest,
    /// BLAKE3 of its successor.
    pub successor_hash: Digest,
}

impl RefreshSession {
    pub(super) fn decide(
        &self,
        state: &Session,
        context: &Context,
    ) -> Result<Vec<Draft<SessionEvent>>, Rejection> {
        let session = state.active(context.now)?;
        let (session_id, account_id) = (session.session_id, session.account_id);
        if session.current.matches(&self.presented_hash) {
            return Ok(vec![Draft::open(SessionRefreshed {
                session_id,
                account_id,
                rotation: session.rotation.saturating_add(1),
                refresh_hash: self.successor_hash,
                expires_at: context.now.plus_seconds(SESSION_IDLE_SECONDS),
            })]);
        }
        let is_retry = session.previous.is_some_and(|previous| previous.matches(&self.presented_hash))
            && session.current.matches(&self.successor_hash);
        if is_retry {
            return Ok(Vec::new());
        }
        let cause = SessionRevocationCause::RefreshTokenReused;
        Ok(vec![Draft::open(SessionRevoked { session_id, account_id, cause })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::{Actor, Aggregate};
    use crate::session::tests::{refresh, refreshed, revoked, started, token};
    use crate::testing::{NOW, as_actor, at, given, happen, when};

    const REUSED: SessionRevocationCause = SessionRevocationCause::RefreshTokenReused;

    #[test]
    fn the_current_token_is_exchanged() {
        let context = as_actor(Actor::ANONYMOUS);
        let mut state = given::<Session>([started()]);
        assert_eq!(happen(&mut state, refresh(0), &context), Ok(vec![refreshed(1)]));
        assert_eq!(happen(&mut state, refresh(1), &context), Ok(vec![refreshed(2)]));
        assert_eq!(state.rotation(), 2);
    }

    #[test]
    fn a_refresh_prolongs_the_session() {
        let mut state = given::<Session>([started()]);
        let later = at(as_actor(Actor::ANONYMOUS), NOW.plus_seconds(SESSION_IDLE_SECONDS - 1));
        happen(&mut state, refresh(0), &later).expect("taken");
        assert_eq!(state.expires_at(), Some(later.now.plus_seconds(SESSION_IDLE_SECONDS)));
    }

    #[test]
    fn the_last_exchange_is_answered_again_without_an_event() {
        let state = given::<Session>([started(), refreshed(1)]);
        assert_eq!(when(&state, refresh(0), &as_actor(Actor::ANONYMOUS)), Ok(vec![]));
    }

    #[test]
    fn an_older_forged_or_differently_continued_token_ends_the_session() {
        let context = as_actor(Actor::ANONYMOUS);
        let state = given::<Session>([started(), refreshed(1), refreshed(2)]);
        let other_successor = RefreshSession { presented_hash: token(1), successor_hash: token(77) };
        for command in [refresh(0), refresh(99), other_successor] {
            assert_eq!(when(&state, command, &context), Ok(vec![revoked(REUSED)]));
        }
        let mut ended = state;
        ended.evolve(&revoked(REUSED), NOW);
        assert_eq!(when(&ended, refresh(2), &context), Err(Rejection::SessionEnded));
    }

    #[test]
    fn an_expired_or_unknown_session_is_refused() {
        let context = as_actor(Actor::ANONYMOUS);
        let late = at(context, NOW.plus_seconds(SESSION_IDLE_SECONDS));
        assert_eq!(when(&given::<Session>([started()]), refresh(0), &late), Err(Rejection::SessionEnded));
        assert_eq!(when(&Session::default(), refresh(0), &context), Err(Rejection::SessionNotFound));
    }
}
