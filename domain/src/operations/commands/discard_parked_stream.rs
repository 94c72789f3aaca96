//! Discard the event that parked a stream.

use crate::aggregate::{Context, Draft};
use crate::operations::{Operations, OperationsEvent, ParkedStreamDiscarded};
use crate::rejection::Rejection;

use super::{ParkedStream, check_operator};

/// Leaves the event that failed out of the projection and goes on behind it. Only an operator may; once.
#[derive(Clone, Debug)]
pub struct DiscardParkedStream(pub ParkedStream);

impl DiscardParkedStream {
    pub(super) fn decide(
        &self,
        state: &Operations,
        context: &Context,
    ) -> Result<Vec<Draft<OperationsEvent>>, Rejection> {
        check_operator(context)?;
        let ParkedStream { projection, stream, position } = self.0;
        if state.is_discarded(position) {
            return Ok(Vec::new());
        }
        Ok(vec![Draft::open(ParkedStreamDiscarded { projection, stream, position })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;
    use crate::aggregate::Actor;
    use crate::testing::{account, as_actor, by, happen, when};

    #[test]
    fn an_operator_discards_once() {
        let (projection, stream) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
        let discard = || DiscardParkedStream(ParkedStream { projection, stream, position: 7 });
        let mut state = Operations::default();
        assert_eq!(when(&state, discard(), &by(account(1))), Err(Rejection::PlatformOnly));
        let operator = as_actor(Actor::OPERATOR);
        let discarded = ParkedStreamDiscarded { projection, stream, position: 7 };
        assert_eq!(happen(&mut state, discard(), &operator), Ok(vec![discarded.into()]));
        assert!(state.is_discarded(7) && !state.is_discarded(8));
        assert_eq!(when(&state, discard(), &operator), Ok(vec![]));
    }
}
