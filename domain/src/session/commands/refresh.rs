//! Refresh a session.

use crate::aggregate::{Context, Draft};
use crate::limits::{REFRESH_GRACE_SECONDS, SESSION_IDLE_SECONDS};
use crate::rejection::Rejection;
use crate::session::{Session, SessionEvent, SessionRefreshed, SessionRevocationCause, SessionRevoked};
use crate::{DeviceId, Digest};

/// Exchanges the refresh token. The caller has checked that the platform made it for this session: what was made up never
/// comes here.
///
/// - The current token is exchanged for its successor.
/// - The one before it, with the successor it had, does nothing: the caller gives the same answer again, as the first one
///   may have been lost. Whoever presents it is believed for [`REFRESH_GRACE_SECONDS`] after the exchange, the session's
///   device at any time, as long as it was the device that exchanged it.
/// - Any other one was used up: somebody has a copy, and the session is revoked. So it is when the device comes with one that
///   somebody exchanged without its signature. That is an event, not a rejection; the caller finds the session ended
///   afterwards.
#[derive(Clone, Debug)]
pub struct RefreshSession {
    /// BLAKE3 of the token presented.
    pub presented_hash: Digest,
    /// BLAKE3 of its successor.
    pub successor_hash: Digest,
    /// The device whose key has signed the request, if one has.
    pub signed_by: Option<DeviceId>,
}

impl RefreshSession {
    pub(super) fn decide(
        &self,
        state: &Session,
        context: &Context,
    ) -> Result<Vec<Draft<SessionEvent>>, Rejection> {
        let session = state.active(context.now)?;
        let (session_id, account_id) = (session.session_id, session.account_id);
        let signed_by = self.signed_by.filter(|device| Some(*device) == session.device_id);
        if session.current.matches(&self.presented_hash) {
            return Ok(vec![Draft::open(SessionRefreshed {
                session_id,
                account_id,
                rotation: session.rotation.saturating_add(1),
                refresh_hash: self.successor_hash,
                expires_at: context.now.plus_seconds(SESSION_IDLE_SECONDS),
                signed_by,
            })]);
        }
        let is_retry = session.previous.is_some_and(|previous| previous.matches(&self.presented_hash))
            && session.current.matches(&self.successor_hash);
        let is_recent = session.rotated_at.is_recent(REFRESH_GRACE_SECONDS, context.now);
        let is_the_devices = signed_by.is_some() && signed_by == session.exchanged_by;
        if is_retry && (is_recent || is_the_devices) {
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
    use crate::session::SessionDeviceBound;
    use crate::session::tests::{ANN, SESSION, exchanged, refresh, refreshed, revoked, started, token};
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
    fn the_last_exchange_is_answered_again_without_an_event_for_half_a_minute() {
        let state = given::<Session>([started(), refreshed(1)]);
        let context = as_actor(Actor::ANONYMOUS);
        assert_eq!(when(&state, refresh(0), &context), Ok(vec![]));
        let last = at(context, NOW.plus_seconds(REFRESH_GRACE_SECONDS - 1));
        assert_eq!(when(&state, refresh(0), &last), Ok(vec![]));
        let late = at(context, NOW.plus_seconds(REFRESH_GRACE_SECONDS));
        assert_eq!(when(&state, refresh(0), &late), Ok(vec![revoked(REUSED)]));
    }

    #[test]
    fn an_exchange_by_a_clock_that_was_years_ahead_is_not_answered_again_for_years() {
        let context = as_actor(Actor::ANONYMOUS);
        let mut state = given::<Session>([started()]);
        state.evolve(&refreshed(1), NOW.plus_seconds(34 * 365 * 86_400));
        assert_eq!(when(&state, refresh(0), &context), Ok(vec![revoked(REUSED)]));
        // The newest token goes on as ever.
        assert_eq!(when(&state, refresh(1), &context), Ok(vec![refreshed(2)]));
    }

    #[test]
    fn the_session_s_device_is_answered_again_at_any_time_and_no_other() {
        let (phone, other) = (DeviceId::from_bytes([11; 16]), DeviceId::from_bytes([12; 16]));
        let bound = SessionDeviceBound { session_id: SESSION, account_id: ANN, device_id: phone };
        let late = at(as_actor(Actor::ANONYMOUS), NOW.plus_seconds(86_400));
        let signed = |signed_by, number| RefreshSession { signed_by, ..refresh(number) };
        let unbound = given::<Session>([started(), refreshed(1)]);
        assert_eq!(when(&unbound, signed(Some(phone), 0), &late), Ok(vec![revoked(REUSED)]));
        let mut state = given::<Session>([started(), bound.into()]);
        let context = as_actor(Actor::ANONYMOUS);
        let exchange = happen(&mut state, signed(Some(phone), 0), &context);
        assert_eq!(exchange, Ok(vec![exchanged(1, Some(phone))]));
        assert_eq!(when(&state, signed(Some(phone), 0), &late), Ok(vec![]));
        for signed_by in [None, Some(other)] {
            assert_eq!(when(&state, signed(signed_by, 0), &late), Ok(vec![revoked(REUSED)]));
        }
        let state = given::<Session>([started(), refreshed(1), refreshed(2)]);
        assert_eq!(when(&state, signed(Some(phone), 0), &late), Ok(vec![revoked(REUSED)]));
    }

    #[test]
    fn a_thief_who_comes_first_is_found_when_the_device_comes() {
        let phone = DeviceId::from_bytes([11; 16]);
        let bound = SessionDeviceBound { session_id: SESSION, account_id: ANN, device_id: phone };
        let late = at(as_actor(Actor::ANONYMOUS), NOW.plus_seconds(86_400));
        // Neither another device's signature nor none is the device's.
        for signed_by in [None, Some(DeviceId::from_bytes([12; 16]))] {
            let mut state = given::<Session>([started(), bound.clone().into()]);
            let theft = RefreshSession { signed_by, ..refresh(0) };
            assert_eq!(happen(&mut state, theft, &as_actor(Actor::ANONYMOUS)), Ok(vec![refreshed(1)]));
            let owners = RefreshSession { signed_by: Some(phone), ..refresh(0) };
            assert_eq!(when(&state, owners, &late), Ok(vec![revoked(REUSED)]));
        }
    }

    #[test]
    fn an_older_or_differently_continued_token_ends_the_session() {
        let context = as_actor(Actor::ANONYMOUS);
        let state = given::<Session>([started(), refreshed(1), refreshed(2)]);
        let other_successor = RefreshSession { successor_hash: token(77), ..refresh(1) };
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
