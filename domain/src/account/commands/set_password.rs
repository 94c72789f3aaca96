//! Set the password.

use crate::account::{Account, AccountEvent, AccountPassword, EmailConfirmed, PasswordCause, PasswordSet};
use crate::aggregate::{ActorKind, Context, Draft};
use crate::rejection::Rejection;
use crate::{AccountId, Digest, SessionId};

/// Sets the password.
///
/// - [`PasswordCause::Change`]: by the account; the caller has verified the old one. [`Rejection::SessionEnded`] when another
///   took its place meanwhile.
/// - [`PasswordCause::Reset`]: by whoever has the token, once. As the token came by e-mail, it proves the address, too.
/// - [`PasswordCause::Upgrade`]: by the platform, which has just verified the same password; refused as a change is.
/// - [`PasswordCause::Registration`]: never; [`super::Register`] does it.
#[derive(Clone, Debug)]
pub struct SetPassword {
    /// The hash.
    pub password: AccountPassword,
    /// Why.
    pub cause: PasswordCause,
    /// BLAKE3 of the reset token, for a reset.
    pub reset_token_hash: Option<Digest>,
    /// The session that goes on, for a change.
    pub session_id: Option<SessionId>,
    /// Where the password stood that was verified ([`Account::password_place`]), for a change and an upgrade: what rests on a
    /// password counts as long as it is the account's.
    pub verified: Option<u64>,
}

impl SetPassword {
    pub(super) fn decide(
        &self,
        state: &Account,
        context: &Context,
    ) -> Result<Vec<Draft<AccountEvent>>, Rejection> {
        let account_id = match self.cause {
            PasswordCause::Registration => return Err(Rejection::PlatformOnly),
            PasswordCause::Change => state.owner(context)?,
            PasswordCause::Upgrade if context.actor.kind == ActorKind::System => state.id()?,
            PasswordCause::Upgrade => return Err(Rejection::PlatformOnly),
            PasswordCause::Reset => self.redeem(state, context)?,
        };
        if self.cause != PasswordCause::Reset
            && (self.verified.is_none() || self.verified != state.password_place())
        {
            return Err(Rejection::SessionEnded);
        }
        let session_id = self.session_id.filter(|_| self.cause == PasswordCause::Change);
        let set = PasswordSet { account_id, cause: self.cause, session_id };
        let mut drafts = vec![Draft::sealed(set, self.password.clone(), account_id)];
        if self.cause == PasswordCause::Reset && !state.email_confirmed() {
            drafts.push(Draft::open(EmailConfirmed { account_id }));
        }
        Ok(drafts)
    }

    fn redeem(&self, state: &Account, context: &Context) -> Result<AccountId, Rejection> {
        let account_id = state.id().map_err(|_| Rejection::TokenInvalid)?;
        let token = state.password_reset().ok_or(Rejection::TokenInvalid)?;
        let presented = self.reset_token_hash.ok_or(Rejection::TokenInvalid)?;
        if token.admits(&presented, context.now) { Ok(account_id) } else { Err(Rejection::TokenInvalid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::LoginLocked;
    use crate::account::tests::{ANN, BEN, OTHER_TOKEN, RESET, confirmed, registered, reset_requested};
    use crate::aggregate::Actor;
    use crate::limits::{PASSWORD_RESET_SECONDS, TOKEN_MAIL_SECONDS_MIN};
    use crate::testing::{NOW, as_actor, at, by, given, happen, when};

    fn set(cause: PasswordCause, token: Option<Digest>) -> SetPassword {
        let password = AccountPassword { phc: "$argon2id$new".into() };
        let verified = given::<Account>(confirmed()).password_place();
        SetPassword { password, cause, reset_token_hash: token, session_id: Some(SESSION), verified }
    }

    const SESSION: SessionId = SessionId::from_bytes([0x5e; 16]);

    fn password_set(cause: PasswordCause) -> AccountEvent {
        let session_id = (cause == PasswordCause::Change).then_some(SESSION);
        PasswordSet { account_id: ANN, cause, session_id }.into()
    }

    #[test]
    fn only_the_account_itself_changes_its_password() {
        let state = given::<Account>(confirmed());
        let change = || set(PasswordCause::Change, None);
        assert_eq!(when(&state, change(), &by(ANN)), Ok(vec![password_set(PasswordCause::Change)]));
        assert_eq!(when(&state, change(), &by(BEN)), Err(Rejection::AccountNotFound));
        assert_eq!(when(&state, change(), &as_actor(Actor::ANONYMOUS)), Err(Rejection::AccountRequired));
    }

    #[test]
    fn a_reset_token_is_used_once_and_ends_a_lock() {
        let lock = LoginLocked { account_id: ANN, failures: 5, until: NOW.plus_seconds(900) };
        let events = confirmed().into_iter().chain([lock.into(), reset_requested()]);
        let mut state = given::<Account>(events);
        let context = as_actor(Actor::ANONYMOUS);
        let reset = || set(PasswordCause::Reset, Some(RESET));
        assert!(state.login_locked(NOW).is_some());
        assert_eq!(happen(&mut state, reset(), &context), Ok(vec![password_set(PasswordCause::Reset)]));
        assert_eq!(state.login_locked(NOW), None);
        assert_eq!(state.password_place(), Some(7));
        assert_eq!(when(&state, reset(), &context), Err(Rejection::TokenInvalid));
    }

    #[test]
    fn a_change_ends_all_sessions_from_before_but_the_one_it_was_made_in() {
        let mut state = given::<Account>(confirmed());
        let other = SessionId::from_bytes([0x5f; 16]);
        assert_eq!(state.password_ending(), None);
        happen(&mut state, set(PasswordCause::Upgrade, None), &as_actor(Actor::SYSTEM)).expect("taken");
        assert_eq!(state.password_ending(), None, "it is the same password");
        let verified = state.password_place();
        let change = SetPassword { verified, ..set(PasswordCause::Change, None) };
        happen(&mut state, change, &by(ANN)).expect("taken");
        let ending = state.password_ending().expect("one");
        let before = ending.revision - 1;
        assert!(ending.ends(other, before) && !ending.ends(SESSION, before));
        assert!(!ending.ends(other, ending.revision));
        assert_eq!(state.password_place(), Some(ending.revision));
    }

    #[test]
    fn what_rests_on_a_password_that_was_replaced_meanwhile_is_refused() {
        let mut state = given::<Account>(confirmed().into_iter().chain([reset_requested()]));
        let reset = set(PasswordCause::Reset, Some(RESET));
        happen(&mut state, reset, &as_actor(Actor::ANONYMOUS)).expect("taken");
        for (cause, context) in
            [(PasswordCause::Change, by(ANN)), (PasswordCause::Upgrade, as_actor(Actor::SYSTEM))]
        {
            let stale = set(cause, None);
            assert_eq!(when(&state, stale.clone(), &context), Err(Rejection::SessionEnded));
            let none = SetPassword { verified: None, ..stale.clone() };
            assert_eq!(when(&state, none, &context), Err(Rejection::SessionEnded));
            let fresh = SetPassword { verified: state.password_place(), ..stale };
            assert_eq!(when(&state, fresh, &context), Ok(vec![password_set(cause)]));
        }
    }

    #[test]
    fn a_reset_ends_all_sessions_from_before() {
        let mut state = given::<Account>(confirmed().into_iter().chain([reset_requested()]));
        let context = as_actor(Actor::ANONYMOUS);
        happen(&mut state, set(PasswordCause::Reset, Some(RESET)), &context).expect("taken");
        let ending = state.password_ending().expect("one");
        assert!(ending.ends(SESSION, ending.revision - 1));
    }

    #[test]
    fn a_reset_proves_the_address() {
        let state = given::<Account>(registered().into_iter().chain([reset_requested()]));
        let events = when(&state, set(PasswordCause::Reset, Some(RESET)), &as_actor(Actor::ANONYMOUS));
        let confirmed = EmailConfirmed { account_id: ANN };
        assert_eq!(events, Ok(vec![password_set(PasswordCause::Reset), confirmed.into()]));
    }

    #[test]
    fn a_missing_wrong_or_expired_reset_token_is_refused() {
        let context = as_actor(Actor::ANONYMOUS);
        let open = given::<Account>(confirmed().into_iter().chain([reset_requested()]));
        let expired = at(context, NOW.plus_seconds(PASSWORD_RESET_SECONDS + TOKEN_MAIL_SECONDS_MIN));
        for (state, token, context) in [
            (&given::<Account>(confirmed()), Some(RESET), context),
            (&open, None, context),
            (&open, Some(OTHER_TOKEN), context),
            (&open, Some(RESET), expired),
        ] {
            let answer = when(state, set(PasswordCause::Reset, token), &context);
            assert_eq!(answer, Err(Rejection::TokenInvalid));
        }
    }

    #[test]
    fn a_change_withdraws_an_open_reset_token() {
        let mut state = given::<Account>(confirmed().into_iter().chain([reset_requested()]));
        happen(&mut state, set(PasswordCause::Change, None), &by(ANN)).expect("taken");
        let late = when(&state, set(PasswordCause::Reset, Some(RESET)), &as_actor(Actor::ANONYMOUS));
        assert_eq!(late, Err(Rejection::TokenInvalid));
    }

    #[test]
    fn only_the_platform_upgrades_a_hash_and_nobody_registers_this_way() {
        let state = given::<Account>(confirmed());
        let upgrade = || set(PasswordCause::Upgrade, None);
        assert_eq!(
            when(&state, upgrade(), &as_actor(Actor::SYSTEM)),
            Ok(vec![password_set(PasswordCause::Upgrade)])
        );
        assert_eq!(when(&state, upgrade(), &by(ANN)), Err(Rejection::PlatformOnly));
        let registration = set(PasswordCause::Registration, None);
        assert_eq!(when(&state, registration, &by(ANN)), Err(Rejection::PlatformOnly));
    }
}
