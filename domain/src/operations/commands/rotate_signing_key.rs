//! Rotate the key that signs access tokens.

use crate::aggregate::{Context, Draft};
use crate::operations::{Operations, OperationsEvent, SigningKeyRotated};
use crate::rejection::Rejection;

use super::check_operator;

/// Decides for the next version of the signing key; the keyring makes it after. Only an operator may. What is decided already
/// is not decided again: a rotation that was interrupted goes on.
#[derive(Clone, Debug)]
pub struct RotateSigningKey {
    /// The version that is in force.
    pub last: u32,
    /// Whether it, and those before it, are known to others.
    pub compromised: bool,
}

impl RotateSigningKey {
    pub(super) fn decide(
        &self,
        state: &Operations,
        context: &Context,
    ) -> Result<Vec<Draft<OperationsEvent>>, Rejection> {
        check_operator(context)?;
        if state.signing_key().is_some_and(|decided| decided > self.last) {
            return Ok(Vec::new());
        }
        let rotated =
            SigningKeyRotated { version: self.last.saturating_add(1), compromised: self.compromised };
        Ok(vec![Draft::open(rotated)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Actor;
    use crate::testing::{account, as_actor, by, happen, when};

    #[test]
    fn an_operator_rotates_and_an_interrupted_rotation_goes_on() {
        let rotate = |last| RotateSigningKey { last, compromised: false };
        let mut state = Operations::default();
        assert_eq!(when(&state, rotate(1), &by(account(1))), Err(Rejection::PlatformOnly));
        let operator = as_actor(Actor::OPERATOR);
        let rotated = |version| SigningKeyRotated { version, compromised: false }.into();
        assert_eq!(happen(&mut state, rotate(1), &operator), Ok(vec![rotated(2)]));
        assert_eq!(happen(&mut state, rotate(1), &operator), Ok(vec![]));
        assert_eq!(happen(&mut state, rotate(2), &operator), Ok(vec![rotated(3)]));
        assert_eq!(state.signing_key(), Some(3));
    }
}
