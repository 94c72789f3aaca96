//! Request an e-mail confirmation.

use crate::Digest;
use crate::account::{Account, AccountEvent, EmailConfirmationRequested};
use crate::aggregate::{Context, Draft};
use crate::limits::EMAIL_CONFIRMATION_SECONDS;
use crate::rejection::Rejection;

/// Makes the confirmation token anew; the one before holds no more. Anybody may ask: the token goes by e-mail only.
///
/// Does nothing for a confirmed address, and nothing while the last token is fresh
/// ([`crate::limits::TOKEN_REISSUE_SECONDS`]).
#[derive(Clone, Debug)]
pub struct RequestEmailConfirmation {
    /// BLAKE3 of the token.
    pub token_hash: Digest,
}

impl RequestEmailConfirmation {
    pub(super) fn decide(
        &self,
        state: &Account,
        context: &Context,
    ) -> Result<Vec<Draft<AccountEvent>>, Rejection> {
        let account_id = state.id()?;
        if state.email_confirmed()
            || state.email_confirmation().is_some_and(|last| last.is_fresh(context.now))
        {
            return Ok(Vec::new());
        }
        Ok(vec![Draft::open(EmailConfirmationRequested {
            account_id,
            token_hash: self.token_hash,
            expires_at: context.now.plus_seconds(EMAIL_CONFIRMATION_SECONDS),
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::commands::ConfirmEmail;
    use crate::account::tests::{ANN, CONFIRMATION, OTHER_TOKEN, confirmed, registered};
    use crate::aggregate::Actor;
    use crate::limits::TOKEN_REISSUE_SECONDS;
    use crate::testing::{NOW, as_actor, at, given, happen, when};

    fn request() -> RequestEmailConfirmation {
        RequestEmailConfirmation { token_hash: OTHER_TOKEN }
    }

    #[test]
    fn a_new_token_replaces_the_old_one() {
        let mut state = given::<Account>(registered());
        let later = at(as_actor(Actor::ANONYMOUS), NOW.plus_seconds(TOKEN_REISSUE_SECONDS));
        let events = happen(&mut state, request(), &later);
        let expires_at = later.now.plus_seconds(EMAIL_CONFIRMATION_SECONDS);
        let expected = EmailConfirmationRequested { account_id: ANN, token_hash: OTHER_TOKEN, expires_at };
        assert_eq!(events, Ok(vec![expected.into()]));
        let old = when(&state, ConfirmEmail { token_hash: CONFIRMATION }, &later);
        assert_eq!(old, Err(Rejection::TokenInvalid));
    }

    #[test]
    fn nothing_happens_within_a_minute_or_once_confirmed() {
        let context = as_actor(Actor::ANONYMOUS);
        assert_eq!(when(&given::<Account>(registered()), request(), &context), Ok(vec![]));
        let later = at(context, NOW.plus_seconds(TOKEN_REISSUE_SECONDS));
        assert_eq!(when(&given::<Account>(confirmed()), request(), &later), Ok(vec![]));
    }

    #[test]
    fn an_unknown_account_is_told_so() {
        let answer = when(&Account::default(), request(), &as_actor(Actor::ANONYMOUS));
        assert_eq!(answer, Err(Rejection::AccountNotFound));
    }
}
