//! Request an e-mail confirmation.

use crate::account::state::token_mail;
use crate::account::{Account, AccountEvent, EmailConfirmationRequested, TokenMail};
use crate::aggregate::{Context, Draft};
use crate::limits::EMAIL_CONFIRMATION_SECONDS;
use crate::rejection::Rejection;
use crate::{AccountId, CommandId, Digest};

/// Has a confirmation token sent: the last one while it holds, else a new one. Anybody may ask: the token goes by e-mail only.
///
/// Does nothing for a confirmed address, and nothing while the last mail is too recent
/// ([`crate::limits::TOKEN_MAIL_SECONDS_MIN`]).
#[derive(Clone, Debug)]
pub struct RequestEmailConfirmation {
    /// BLAKE3 of a new token.
    pub token_hash: Digest,
    /// The command that it is derived from.
    pub token_command_id: CommandId,
}

impl RequestEmailConfirmation {
    pub(super) fn decide(
        &self,
        state: &Account,
        context: &Context,
    ) -> Result<Vec<Draft<AccountEvent>>, Rejection> {
        let account_id = state.id()?;
        if state.email_confirmed() {
            return Ok(Vec::new());
        }
        let requested = mail_again(state, account_id, (self.token_hash, self.token_command_id), context);
        Ok(requested.map(Draft::open).into_iter().collect())
    }
}

/// The mail that asks an unconfirmed account to confirm its address again; none while the last one is too recent.
pub(super) fn mail_again(
    state: &Account,
    account_id: AccountId,
    fresh: (Digest, CommandId),
    context: &Context,
) -> Option<EmailConfirmationRequested> {
    let mail = token_mail(state.email_confirmation(), fresh, EMAIL_CONFIRMATION_SECONDS, context.now)?;
    let TokenMail { token_hash, token_command_id, expires_at } = mail;
    Some(EmailConfirmationRequested { account_id, token_hash, token_command_id, expires_at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::commands::ConfirmEmail;
    use crate::account::tests::{ANN, COMMAND, CONFIRMATION, OTHER_TOKEN, confirmed, registered};
    use crate::aggregate::Actor;
    use crate::limits::TOKEN_MAIL_SECONDS_MIN;
    use crate::testing::{NOW, as_actor, at, given, when};

    fn request() -> RequestEmailConfirmation {
        RequestEmailConfirmation { token_hash: OTHER_TOKEN, token_command_id: CommandId::from_bytes([7; 16]) }
    }

    #[test]
    fn the_token_under_way_is_sent_again_and_a_new_one_once_it_is_over() {
        let state = given::<Account>(registered());
        let later = at(as_actor(Actor::ANONYMOUS), NOW.plus_seconds(TOKEN_MAIL_SECONDS_MIN));
        let sent = |state: &Account, context| {
            let events = when(state, request(), context).expect("taken");
            let [AccountEvent::EmailConfirmationRequested(event)] = events.as_slice() else {
                panic!("{events:?}")
            };
            event.clone()
        };
        let again = sent(&state, &later);
        assert_eq!(
            (again.account_id, again.token_hash, again.token_command_id),
            (ANN, CONFIRMATION, COMMAND)
        );
        assert!(again.expires_at > later.now.plus_seconds(EMAIL_CONFIRMATION_SECONDS));
        assert!(when(&state, ConfirmEmail { token_hash: CONFIRMATION }, &later).is_ok());
        let over = at(as_actor(Actor::ANONYMOUS), NOW.plus_seconds(EMAIL_CONFIRMATION_SECONDS));
        assert_eq!(sent(&state, &over).token_hash, OTHER_TOKEN);
    }

    #[test]
    fn nothing_happens_within_a_minute_or_once_confirmed() {
        let context = as_actor(Actor::ANONYMOUS);
        assert_eq!(when(&given::<Account>(registered()), request(), &context), Ok(vec![]));
        let later = at(context, NOW.plus_seconds(TOKEN_MAIL_SECONDS_MIN));
        assert_eq!(when(&given::<Account>(confirmed()), request(), &later), Ok(vec![]));
    }

    #[test]
    fn an_unknown_account_is_told_so() {
        let answer = when(&Account::default(), request(), &as_actor(Actor::ANONYMOUS));
        assert_eq!(answer, Err(Rejection::AccountNotFound));
    }
}
