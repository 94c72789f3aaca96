//! Bind a session to a device.

use crate::DeviceId;
use crate::aggregate::{Context, Draft};
use crate::rejection::Rejection;
use crate::session::{Session, SessionDeviceBound, SessionEvent};

/// Binds the session to a device of its account; once. Binding it to the same device again does nothing.
#[derive(Clone, Debug)]
pub struct BindDevice {
    /// An active device of the session's account.
    pub device_id: DeviceId,
}

impl BindDevice {
    pub(super) fn decide(
        &self,
        state: &Session,
        context: &Context,
    ) -> Result<Vec<Draft<SessionEvent>>, Rejection> {
        state.started()?.check_owner(context)?;
        let session = state.active(context.now)?;
        match session.device_id {
            Some(bound) if bound == self.device_id => Ok(Vec::new()),
            Some(_) => Err(Rejection::SessionBound),
            None => Ok(vec![Draft::open(SessionDeviceBound {
                session_id: session.session_id,
                account_id: session.account_id,
                device_id: self.device_id,
            })]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Actor;
    use crate::session::SessionRevocationCause;
    use crate::session::tests::{ANN, BEN, SESSION, revoked, started};
    use crate::testing::{as_actor, by, given, happen, when};

    const PHONE: DeviceId = DeviceId::from_bytes([11; 16]);
    const LAPTOP: DeviceId = DeviceId::from_bytes([12; 16]);

    fn bind(device_id: DeviceId) -> BindDevice {
        BindDevice { device_id }
    }

    #[test]
    fn a_session_is_bound_once() {
        let mut state = given::<Session>([started()]);
        let bound = SessionDeviceBound { session_id: SESSION, account_id: ANN, device_id: PHONE };
        assert_eq!(happen(&mut state, bind(PHONE), &by(ANN)), Ok(vec![bound.into()]));
        assert_eq!(state.device_id(), Some(PHONE));
        assert_eq!(when(&state, bind(PHONE), &by(ANN)), Ok(vec![]));
        assert_eq!(when(&state, bind(LAPTOP), &by(ANN)), Err(Rejection::SessionBound));
    }

    #[test]
    fn others_nobody_and_ended_sessions_are_refused() {
        let state = given::<Session>([started()]);
        assert_eq!(when(&state, bind(PHONE), &by(BEN)), Err(Rejection::SessionNotFound));
        let anonymous = as_actor(Actor::ANONYMOUS);
        assert_eq!(when(&state, bind(PHONE), &anonymous), Err(Rejection::AccountRequired));
        let ended = given::<Session>([started(), revoked(SessionRevocationCause::Logout)]);
        assert_eq!(when(&ended, bind(PHONE), &by(ANN)), Err(Rejection::SessionEnded));
    }
}
