//! Retry an event that a reaction set aside.

use crate::aggregate::{Context, Draft};
use crate::operations::{Operations, OperationsEvent, ParkedEventRetried};
use crate::rejection::Rejection;
use crate::{Digest, EventId};

use super::check_operator;

/// Has the event answered again without waiting for its time. Only an operator may; as often as they like.
#[derive(Clone, Debug)]
pub struct RetryParkedEvent {
    /// Names the reaction: [`crate::operations::reaction_digest`].
    pub reaction: Digest,
    /// The event.
    pub event_id: EventId,
}

impl RetryParkedEvent {
    pub(super) fn decide(
        &self,
        _state: &Operations,
        context: &Context,
    ) -> Result<Vec<Draft<OperationsEvent>>, Rejection> {
        check_operator(context)?;
        let Self { reaction, event_id } = *self;
        Ok(vec![Draft::open(ParkedEventRetried { reaction, event_id })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Actor;
    use crate::operations::reaction_digest;
    use crate::testing::{account, as_actor, by, when};

    #[test]
    fn only_an_operator_retries() {
        let (reaction, event_id) = (reaction_digest("one"), EventId::from_bytes([7; 16]));
        let retry = || RetryParkedEvent { reaction, event_id };
        let state = Operations::default();
        let retried = ParkedEventRetried { reaction, event_id };
        assert_eq!(when(&state, retry(), &as_actor(Actor::OPERATOR)), Ok(vec![retried.into()]));
        for nobody in [by(account(1)), as_actor(Actor::SYSTEM)] {
            assert_eq!(when(&state, retry(), &nobody), Err(Rejection::PlatformOnly));
        }
    }
}
