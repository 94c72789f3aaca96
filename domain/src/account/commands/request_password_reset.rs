//! Request a password reset.

use crate::Digest;
use crate::account::{Account, AccountEvent, PasswordResetRequested};
use crate::aggregate::{Context, Draft};
use crate::limits::PASSWORD_RESET_SECONDS;
use crate::rejection::Rejection;

/// Makes a reset token; the one before holds no more. Anybody may ask: the token goes by e-mail only.
///
/// Does nothing while the last token is fresh ([`crate::limits::TOKEN_REISSUE_SECONDS`]).
#[derive(Clone, Debug)]
pub struct RequestPasswordReset {
    /// BLAKE3 of the token.
    pub token_hash: Digest,
}

impl RequestPasswordReset {
    pub(super) fn decide(
        &self,
        state: &Account,
        context: &Context,
    ) -> Result<Vec<Draft<AccountEvent>>, Rejection> {
        let account_id = state.id()?;
        if state.password_reset().is_some_and(|last| last.is_fresh(context.now)) {
            return Ok(Vec::new());
        }
        Ok(vec![Draft::open(PasswordResetRequested {
            account_id,
            token_hash: self.token_hash,
            expires_at: context.now.plus_seconds(PASSWORD_RESET_SECONDS),
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::{RESET, confirmed, reset_requested};
    use crate::aggregate::Actor;
    use crate::limits::TOKEN_REISSUE_SECONDS;
    use crate::testing::{NOW, as_actor, at, given, happen, when};

    #[test]
    fn a_token_is_made_at_most_once_a_minute() {
        let mut state = given::<Account>(confirmed());
        let context = as_actor(Actor::ANONYMOUS);
        let request = || RequestPasswordReset { token_hash: RESET };
        assert_eq!(happen(&mut state, request(), &context), Ok(vec![reset_requested()]));
        assert_eq!(when(&state, request(), &context), Ok(vec![]));
        let later = at(context, NOW.plus_seconds(TOKEN_REISSUE_SECONDS));
        assert_eq!(when(&state, request(), &later).map(|events| events.len()), Ok(1));
    }

    #[test]
    fn an_unknown_account_is_told_so() {
        let request = RequestPasswordReset { token_hash: RESET };
        let answer = when(&Account::default(), request, &as_actor(Actor::ANONYMOUS));
        assert_eq!(answer, Err(Rejection::AccountNotFound));
    }
}
