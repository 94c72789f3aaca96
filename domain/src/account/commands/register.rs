//! Register.

use crate::account::{
    Account, AccountContact, AccountEvent, AccountPassword, AccountProfile, AccountRegistered,
    EmailConfirmationRequested, PasswordCause, PasswordSet, ProfileChanged,
};
use crate::aggregate::{Context, Draft};
use crate::limits::EMAIL_CONFIRMATION_SECONDS;
use crate::rejection::Rejection;
use crate::text::check_email;
use crate::{AccountId, CommandId, Digest};

use super::change_profile::check_profile;

/// Creates the account: registered, password set, profile, confirmation requested, in one append.
#[derive(Clone, Debug)]
pub struct Register {
    /// The new account.
    pub account_id: AccountId,
    /// Its e-mail address (reserved before).
    pub contact: AccountContact,
    /// Hash of its password.
    pub password: AccountPassword,
    /// Its profile.
    pub profile: AccountProfile,
    /// BLAKE3 of the confirmation token.
    pub confirmation_token_hash: Digest,
    /// The command that the token is derived from.
    pub confirmation_command_id: CommandId,
}

impl Register {
    pub(super) fn decide(
        &self,
        state: &Account,
        context: &Context,
    ) -> Result<Vec<Draft<AccountEvent>>, Rejection> {
        if state.exists() {
            return Err(Rejection::AccountExists);
        }
        check_email("email", &self.contact.email)?;
        check_profile(&self.profile)?;
        let account_id = self.account_id;
        let password_set = PasswordSet { account_id, cause: PasswordCause::Registration, session_id: None };
        Ok(vec![
            Draft::sealed(AccountRegistered { account_id }, self.contact.clone(), account_id),
            Draft::sealed(password_set, self.password.clone(), account_id),
            Draft::sealed(ProfileChanged { account_id }, self.profile.clone(), account_id),
            Draft::open(EmailConfirmationRequested {
                account_id,
                token_hash: self.confirmation_token_hash,
                token_command_id: self.confirmation_command_id,
                expires_at: context.now.plus_seconds(EMAIL_CONFIRMATION_SECONDS),
            }),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PersonalRecord;
    use crate::account::tests::{ANN, register, registered};
    use crate::aggregate::{Actor, Aggregate};
    use crate::testing::{NOW, as_actor, given, when};

    #[test]
    fn registering_sets_password_profile_and_asks_for_confirmation_in_one_append() {
        let events = when(&Account::default(), register(), &as_actor(Actor::ANONYMOUS));
        assert_eq!(events, Ok(registered()));
        let state = given::<Account>(registered());
        assert_eq!(state.id(), Ok(ANN));
        assert_eq!((state.contact_place(), state.password_place()), (Some(0), Some(1)));
        let token = state.email_confirmation().expect("a token");
        assert_eq!(token.expires_at, NOW.plus_seconds(EMAIL_CONFIRMATION_SECONDS));
        assert!(!state.email_confirmed());
    }

    #[test]
    fn what_is_personal_is_sealed_for_the_account() {
        let drafts =
            Account::default().decide(&register().into(), &as_actor(Actor::ANONYMOUS)).expect("taken");
        let plains: Vec<_> = drafts.into_iter().filter_map(|draft| draft.plain).collect();
        assert!(plains.iter().all(|plain| plain.subject == ANN.into() && plain.period.is_none()));
        let names: Vec<_> = plains.iter().map(|plain| plain.record.name()).collect();
        assert_eq!(names, ["account_contact", "account_password", "account_profile"]);
        assert_eq!(plains[0].record, PersonalRecord::AccountContact(register().contact));
    }

    #[test]
    fn an_account_registers_once() {
        let state = given::<Account>(registered());
        let again = when(&state, register(), &as_actor(Actor::ANONYMOUS));
        assert_eq!(again, Err(Rejection::AccountExists));
    }

    #[test]
    fn a_malformed_address_or_name_is_refused() {
        let nobody = Account::default();
        let mut command = register();
        command.contact.email = "Ann@example.org".into();
        let answer = when(&nobody, command, &as_actor(Actor::ANONYMOUS));
        assert!(matches!(answer, Err(Rejection::InvalidField { field: "email", .. })));
        let mut command = register();
        command.profile.display_name = String::new();
        let answer = when(&nobody, command, &as_actor(Actor::ANONYMOUS));
        assert!(matches!(answer, Err(Rejection::InvalidField { field: "display_name", .. })));
    }
}
