//! Discard an event that a reaction set aside.

use crate::aggregate::{ActorKind, Context, Draft};
use crate::operations::{DiscardCause, Operations, OperationsEvent, ParkedEventDiscarded};
use crate::rejection::Rejection;
use crate::{Digest, EventId};

/// Has the event never answered. An operator may; the platform may when nothing can come of it any more.
///
/// Who decides it twice gives both commands the same id: no state is kept of it.
#[derive(Clone, Debug)]
pub struct DiscardParkedEvent {
    /// Names the reaction: [`crate::operations::reaction_digest`].
    pub reaction: Digest,
    /// The event.
    pub event_id: EventId,
    /// Why.
    pub cause: DiscardCause,
}

impl DiscardParkedEvent {
    pub(super) fn decide(
        &self,
        _state: &Operations,
        context: &Context,
    ) -> Result<Vec<Draft<OperationsEvent>>, Rejection> {
        let Self { reaction, event_id, cause } = *self;
        let decider = match cause {
            DiscardCause::Operator => ActorKind::Operator,
            DiscardCause::Refused | DiscardCause::Expired => ActorKind::System,
        };
        if context.actor.kind != decider {
            return Err(Rejection::PlatformOnly);
        }
        Ok(vec![Draft::open(ParkedEventDiscarded { reaction, event_id, cause })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Actor;
    use crate::operations::reaction_digest;
    use crate::testing::{account, as_actor, by, when};

    #[test]
    fn operators_and_the_platform_discard_each_for_their_own_cause() {
        let (reaction, event_id) = (reaction_digest("one"), EventId::from_bytes([7; 16]));
        let state = Operations::default();
        let (operator, platform) = (as_actor(Actor::OPERATOR), as_actor(Actor::SYSTEM));
        for cause in DiscardCause::ALL.iter().copied() {
            let discard = || DiscardParkedEvent { reaction, event_id, cause };
            let discarded = Ok(vec![ParkedEventDiscarded { reaction, event_id, cause }.into()]);
            let refused = Err(Rejection::PlatformOnly);
            let is_operators = cause == DiscardCause::Operator;
            let (may, may_not) = if is_operators { (&operator, &platform) } else { (&platform, &operator) };
            assert_eq!(when(&state, discard(), may), discarded);
            assert_eq!(when(&state, discard(), may_not), refused);
            assert_eq!(when(&state, discard(), &by(account(1))), refused);
        }
    }
}
