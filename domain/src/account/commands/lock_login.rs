//! Lock logins.

use crate::Timestamp;
use crate::account::{Account, AccountEvent, LoginLocked};
use crate::aggregate::{ActorKind, Context, Draft};
use crate::rejection::Rejection;

/// Refuses logins for a time. Only the platform does this; it counts the failures.
///
/// Does nothing for a lock that would end no later than the present one.
#[derive(Clone, Debug)]
pub struct LockLogin {
    /// Failed logins in a row.
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
        let present = state.login_locked(context.now).unwrap_or(context.now);
        if self.until <= present {
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
    use crate::testing::{NOW, as_actor, by, given, happen, when};

    fn lock(seconds: i64) -> LockLogin {
        LockLogin { failures: 5, until: NOW.plus_seconds(seconds) }
    }

    #[test]
    fn the_platform_locks_for_a_time_and_longer_but_not_shorter() {
        let mut state = given::<Account>(confirmed());
        let system = as_actor(Actor::SYSTEM);
        let locked = |seconds| LoginLocked { account_id: ANN, failures: 5, until: NOW.plus_seconds(seconds) };
        assert_eq!(happen(&mut state, lock(60), &system), Ok(vec![locked(60).into()]));
        assert_eq!(state.login_locked(NOW.plus_seconds(59)), Some(NOW.plus_seconds(60)));
        assert_eq!(state.login_locked(NOW.plus_seconds(60)), None);
        assert_eq!(when(&state, lock(60), &system), Ok(vec![]));
        assert_eq!(when(&state, lock(61), &system), Ok(vec![locked(61).into()]));
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
