//! Confirm the e-mail address.

use crate::Digest;
use crate::account::{Account, AccountEvent, EmailConfirmed};
use crate::aggregate::{Context, Draft};
use crate::rejection::Rejection;

/// Proves the e-mail address, once. Whoever has the token may.
#[derive(Clone, Debug)]
pub struct ConfirmEmail {
    /// BLAKE3 of the token presented.
    pub token_hash: Digest,
}

impl ConfirmEmail {
    pub(super) fn decide(
        &self,
        state: &Account,
        context: &Context,
    ) -> Result<Vec<Draft<AccountEvent>>, Rejection> {
        // An unknown account and a wrong token are the same to whoever guesses.
        let account_id = state.id().map_err(|_| Rejection::TokenInvalid)?;
        let token = state.email_confirmation().ok_or(Rejection::TokenInvalid)?;
        if !token.admits(&self.token_hash, context.now) {
            return Err(Rejection::TokenInvalid);
        }
        Ok(vec![Draft::open(EmailConfirmed { account_id })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::{ANN, CONFIRMATION, OTHER_TOKEN, confirmed, registered};
    use crate::aggregate::Actor;
    use crate::limits::EMAIL_CONFIRMATION_SECONDS;
    use crate::testing::{NOW, as_actor, at, given, when};

    fn confirm(token_hash: Digest) -> ConfirmEmail {
        ConfirmEmail { token_hash }
    }

    #[test]
    fn the_token_confirms() {
        let state = given::<Account>(registered());
        let events = when(&state, confirm(CONFIRMATION), &as_actor(Actor::ANONYMOUS));
        assert_eq!(events, Ok(vec![EmailConfirmed { account_id: ANN }.into()]));
        assert!(given::<Account>(confirmed()).email_confirmed());
    }

    #[test]
    fn another_used_or_expired_token_is_refused_alike() {
        let context = as_actor(Actor::ANONYMOUS);
        let expired = at(context, NOW.plus_seconds(EMAIL_CONFIRMATION_SECONDS));
        for (state, hash, context) in [
            (given::<Account>(registered()), OTHER_TOKEN, context),
            (given::<Account>(confirmed()), CONFIRMATION, context),
            (given::<Account>(registered()), CONFIRMATION, expired),
            (Account::default(), CONFIRMATION, context),
        ] {
            assert_eq!(when(&state, confirm(hash), &context), Err(Rejection::TokenInvalid));
        }
    }
}
