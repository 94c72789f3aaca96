//! Request a password reset.

use crate::account::state::token_mail;
use crate::account::{Account, AccountEvent, PasswordResetRequested};
use crate::aggregate::{Context, Draft};
use crate::limits::PASSWORD_RESET_SECONDS;
use crate::rejection::Rejection;
use crate::{CommandId, Digest};

/// Has a reset token sent: the last one while it holds, so that strangers who ask do not spoil the mail under way, else a new
/// one. Anybody may ask: the token goes by e-mail only.
///
/// Does nothing while the last mail is too recent; how recent that is grows with each
/// ([`crate::limits::TOKEN_MAIL_SECONDS_MIN`]).
#[derive(Clone, Debug)]
pub struct RequestPasswordReset {
    /// BLAKE3 of a new token.
    pub token_hash: Digest,
    /// The command that it is derived from.
    pub token_command_id: CommandId,
}

impl RequestPasswordReset {
    pub(super) fn decide(
        &self,
        state: &Account,
        context: &Context,
    ) -> Result<Vec<Draft<AccountEvent>>, Rejection> {
        let account_id = state.id()?;
        let fresh = (self.token_hash, self.token_command_id);
        let mail = token_mail(state.password_reset(), fresh, PASSWORD_RESET_SECONDS, context.now);
        let requested = mail.map(|mail| PasswordResetRequested {
            account_id,
            token_hash: mail.token_hash,
            token_command_id: mail.token_command_id,
            expires_at: mail.expires_at,
        });
        Ok(requested.map(Draft::open).into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::commands::SetPassword;
    use crate::account::tests::{COMMAND, OTHER_TOKEN, RESET, confirmed, reset_requested};
    use crate::account::{AccountPassword, PasswordCause};
    use crate::aggregate::Actor;
    use crate::limits::{TOKEN_AGE_SECONDS_MAX, TOKEN_MAIL_SECONDS_MAX, TOKEN_MAIL_SECONDS_MIN};
    use crate::testing::{NOW, as_actor, at, given, happen, when};

    fn request(token_hash: Digest) -> RequestPasswordReset {
        RequestPasswordReset { token_hash, token_command_id: COMMAND }
    }

    /// The request that a stranger repeats each minute for a time: how many seconds after the first each mail goes, and
    /// with which token, of which each request offers another.
    fn asked_every_minute(seconds: i64) -> Vec<(i64, PasswordResetRequested)> {
        let mut state = given::<Account>(confirmed());
        let mut mails = Vec::new();
        for second in (0..seconds).step_by(60) {
            let context = at(as_actor(Actor::ANONYMOUS), NOW.plus_seconds(second));
            let token = Digest::from_bytes(*blake3::hash(&second.to_be_bytes()).as_bytes());
            for event in happen(&mut state, request(token), &context).expect("taken") {
                let AccountEvent::PasswordResetRequested(event) = event else { panic!("{event:?}") };
                mails.push((second, event));
            }
        }
        mails
    }

    #[test]
    fn strangers_get_a_few_mails_a_day_sent_further_and_further_apart() {
        let mails = asked_every_minute(3 * 86_400);
        let times: Vec<_> = mails.iter().map(|(second, _)| *second).collect();
        assert_eq!(times[..5], [0, 60, 540, 4_380, 25_980]);
        assert!(times[5..].windows(2).all(|pair| pair[1] - pair[0] == TOKEN_MAIL_SECONDS_MAX));
        assert_eq!(times.iter().filter(|second| **second < 86_400).count(), 7);
    }

    #[test]
    fn a_mail_by_a_clock_that_was_years_ahead_holds_none_back() {
        let mut state = given::<Account>(confirmed());
        let ahead = at(as_actor(Actor::ANONYMOUS), NOW.plus_seconds(34 * 365 * 86_400));
        let sent = happen(&mut state, request(RESET), &ahead).expect("taken");
        assert_eq!(sent.len(), 1);
        let now = at(as_actor(Actor::ANONYMOUS), NOW);
        let again = happen(&mut state, request(OTHER_TOKEN), &now).expect("taken");
        let [AccountEvent::PasswordResetRequested(again)] = again.as_slice() else { panic!("{again:?}") };
        // Nor does its token hold for years.
        assert_eq!(again.token_hash, OTHER_TOKEN);
        assert!(again.expires_at < NOW.plus_seconds(86_400));
    }

    #[test]
    fn a_token_that_holds_is_sent_again_and_holds_until_the_next_mail_may_go() {
        let mails = asked_every_minute(2 * TOKEN_AGE_SECONDS_MAX);
        for pair in mails.windows(2) {
            let [(_, before), (second, _)] = pair else { panic!() };
            assert!(NOW.plus_seconds(*second) < before.expires_at);
        }
        // Within a day all mails carry the first token; then another takes its place.
        let tokens: Vec<_> = mails.iter().map(|(_, event)| event.token_hash).collect();
        let first = mails.iter().filter(|(second, _)| *second < TOKEN_AGE_SECONDS_MAX).count();
        assert!(tokens[..first].iter().all(|token| *token == tokens[0]));
        assert_ne!(tokens[first], tokens[0]);
    }

    #[test]
    fn the_first_link_works_after_strangers_have_asked_again() {
        let mut state = given::<Account>(confirmed());
        let context = as_actor(Actor::ANONYMOUS);
        assert_eq!(happen(&mut state, request(RESET), &context), Ok(vec![reset_requested()]));
        assert_eq!(when(&state, request(OTHER_TOKEN), &context), Ok(vec![]));
        let later = at(context, NOW.plus_seconds(TOKEN_MAIL_SECONDS_MIN));
        assert_eq!(happen(&mut state, request(OTHER_TOKEN), &later).map(|events| events.len()), Ok(1));
        let password = AccountPassword { phc: "$argon2id$".into() };
        let (cause, reset_token_hash) = (PasswordCause::Reset, Some(RESET));
        let set = SetPassword { password, cause, reset_token_hash, session_id: None, verified: None };
        assert!(when(&state, set, &later).is_ok());
    }

    #[test]
    fn an_unknown_account_is_told_so() {
        let answer = when(&Account::default(), request(RESET), &as_actor(Actor::ANONYMOUS));
        assert_eq!(answer, Err(Rejection::AccountNotFound));
    }
}
