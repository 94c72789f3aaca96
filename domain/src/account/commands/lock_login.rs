//! Slow logins down.

use crate::Timestamp;
use crate::account::{Account, AccountEvent, LoginLocked};
use crate::aggregate::{ActorKind, Context, Draft};
use crate::rejection::Rejection;

/// Records that too many logins failed, so that each network has fewer tries for a time. Only the platform does this; it
/// counts the failures.
///
/// Does nothing while that is on record already: strangers who guess for days do not fill the stream.
#[derive(Clone, Debug)]
pub struct LockLogin {
    /// Failed logins of late.
    pub failures: u32,
    /// Until when.
    pub until: Timestamp,
}

impl LockLogin {
    pub(super) fn decide(
        &self,
        state: &Account,
        context: &Context,
    ) -> Result<Vec<Draft<AccountEvent>>, Rejection> {
        if context.actor.kind != ActorKind::System {
            return Err(Rejection::PlatformOnly);
        }
        let account_id = state.id()?;
        if state.login_locked(context.now).is_some() || self.until <= context.now {
            return Ok(Vec::new());
        }
        Ok(vec![Draft::open(LoginLocked { account_id, failures: self.failures, until: self.until })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::{ANN, confirmed};
    use crate::aggregate::Actor;
    use crate::testing::{NOW, as_actor, at, by, given, happen, when};

    fn lock(seconds: i64) -> LockLogin {
        LockLogin { failures: 5, until: NOW.plus_seconds(seconds) }
    }

    #[test]
    fn the_platform_records_a_lock_once_while_it_lasts() {
        let mut state = given::<Account>(confirmed());
        let system = as_actor(Actor::SYSTEM);
        let locked = |seconds| LoginLocked { account_id: ANN, failures: 5, until: NOW.plus_seconds(seconds) };
        assert_eq!(happen(&mut state, lock(60), &system), Ok(vec![locked(60).into()]));
        assert_eq!(state.login_locked(NOW.plus_seconds(59)), Some(NOW.plus_seconds(60)));
        assert_eq!(state.login_locked(NOW.plus_seconds(60)), None);
        assert_eq!(state.login_locked(NOW.plus_seconds(-34 * 365 * 86_400)), None, "by a wrong clock");
        assert_eq!(when(&state, lock(61), &system), Ok(vec![]));
        let later = at(system, NOW.plus_seconds(60));
        assert_eq!(when(&state, lock(120), &later), Ok(vec![locked(120).into()]));
        assert_eq!(when(&given::<Account>(confirmed()), lock(0), &system), Ok(vec![]));
    }

    #[test]
    fn nobody_else_locks_anybody_out() {
        let state = given::<Account>(confirmed());
        for context in [by(ANN), as_actor(Actor::ANONYMOUS), as_actor(Actor::OPERATOR)] {
            assert_eq!(when(&state, lock(60), &context), Err(Rejection::PlatformOnly));
        }
    }
}
