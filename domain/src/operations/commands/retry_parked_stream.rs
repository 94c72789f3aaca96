//! Retry a parked stream.

use crate::aggregate::{Context, Draft};
use crate::operations::{Operations, OperationsEvent, ParkedStreamRetried};
use crate::rejection::Rejection;

use super::{ParkedStream, check_operator};

/// Folds the event that failed again. Only an operator may; as often as they like, until it was discarded.
#[derive(Clone, Debug)]
pub struct RetryParkedStream(pub ParkedStream);

impl RetryParkedStream {
    pub(super) fn decide(
        &self,
        state: &Operations,
        context: &Context,
    ) -> Result<Vec<Draft<OperationsEvent>>, Rejection> {
        check_operator(context)?;
        let ParkedStream { projection, stream, position } = self.0;
        if state.is_discarded(position) {
            return Err(Rejection::ParkedStreamUnknown);
        }
        Ok(vec![Draft::open(ParkedStreamRetried { projection, stream, position })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;
    use crate::aggregate::Actor;
    use crate::operations::ParkedStreamDiscarded;
    use crate::testing::{account, as_actor, by, given, when};

    const PROJECTION: Digest = Digest::from_bytes([1; 32]);
    const STREAM: Digest = Digest::from_bytes([2; 32]);

    fn retry() -> RetryParkedStream {
        RetryParkedStream(ParkedStream { projection: PROJECTION, stream: STREAM, position: 7 })
    }

    #[test]
    fn only_an_operator_retries() {
        let retried = ParkedStreamRetried { projection: PROJECTION, stream: STREAM, position: 7 };
        let state = Operations::default();
        assert_eq!(when(&state, retry(), &as_actor(Actor::OPERATOR)), Ok(vec![retried.into()]));
        assert_eq!(when(&state, retry(), &by(account(1))), Err(Rejection::PlatformOnly));
    }

    #[test]
    fn what_was_discarded_is_gone() {
        let discarded = ParkedStreamDiscarded { projection: PROJECTION, stream: STREAM, position: 7 };
        let state = given::<Operations>([discarded.into()]);
        let answer = when(&state, retry(), &as_actor(Actor::OPERATOR));
        assert_eq!(answer, Err(Rejection::ParkedStreamUnknown));
    }
}
