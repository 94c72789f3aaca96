//! Register.

use crate::account::{
    Account, AccountContact, AccountEvent, AccountPassword, AccountProfile, AccountRegistered,
    EmailConfirmationRequested, PasswordCause, PasswordSet, PasswordVoided, ProfileChanged,
    RegistrationRepeated, Standing,
};
use crate::aggregate::{Context, Draft};
use crate::limits::EMAIL_CONFIRMATION_SECONDS;
#[cfg(doc)]
use crate::limits::REGISTRATION_REPEATED_SECONDS;
use crate::rejection::Rejection;
use crate::text::check_email;
use crate::{AccountId, CommandId, Digest};

use super::change_profile::check_profile;
use super::request_email_confirmation::mail_again;

/// Registers an address, whoever did so before:
///
/// - that nobody has registered: creates the account (registered, password set, profile, confirmation requested);
/// - that is registered and not proved: voids the password, for nobody can tell which of those who registered it its owner is,
///   and has the confirmation token sent again. The token stays the same: a mail under way stays good;
/// - that is proved: has its owner told, at most once in [`REGISTRATION_REPEATED_SECONDS`].
///
/// All in one append, so that of many who register an address at once one makes the account and the others find it.
#[derive(Clone, Debug)]
pub struct Register {
    /// The account that the address is reserved for.
    pub account_id: AccountId,
    /// The e-mail address.
    pub contact: AccountContact,
    /// Hash of the password.
    pub password: AccountPassword,
    /// The profile.
    pub profile: AccountProfile,
    /// BLAKE3 of a new confirmation token.
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
        check_email("email", &self.contact.email)?;
        check_profile(&self.profile)?;
        Ok(match state.standing() {
            Standing::Unregistered => self.first(context),
            Standing::Unconfirmed => self.again(state, context),
            Standing::Confirmed => self.too_late(state, context),
        })
    }

    fn first(&self, context: &Context) -> Vec<Draft<AccountEvent>> {
        let account_id = self.account_id;
        let password_set = PasswordSet { account_id, cause: PasswordCause::Registration, session_id: None };
        vec![
            Draft::sealed(AccountRegistered { account_id }, self.contact.clone(), account_id),
            Draft::sealed(password_set, self.password.clone(), account_id),
            Draft::sealed(ProfileChanged { account_id }, self.profile.clone(), account_id),
            Draft::open(EmailConfirmationRequested {
                account_id,
                token_hash: self.confirmation_token_hash,
                token_command_id: self.confirmation_command_id,
                expires_at: context.now.plus_seconds(EMAIL_CONFIRMATION_SECONDS),
            }),
        ]
    }

    fn again(&self, state: &Account, context: &Context) -> Vec<Draft<AccountEvent>> {
        let account_id = self.account_id;
        let voided = state.password_place().map(|_| Draft::open(PasswordVoided { account_id }));
        let fresh = (self.confirmation_token_hash, self.confirmation_command_id);
        let mail = mail_again(state, account_id, fresh, context).map(Draft::open);
        voided.into_iter().chain(mail).collect()
    }

    fn too_late(&self, state: &Account, context: &Context) -> Vec<Draft<AccountEvent>> {
        if state.told_of_registration(context.now) {
            return Vec::new();
        }
        vec![Draft::open(RegistrationRepeated { account_id: self.account_id })]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PersonalRecord;
    use crate::account::EmailConfirmed;
    use crate::account::commands::ConfirmEmail;
    use crate::account::tests::{ANN, COMMAND, CONFIRMATION, OTHER_TOKEN, confirmed, register, registered};
    use crate::aggregate::{Actor, Aggregate};
    use crate::limits::TOKEN_MAIL_SECONDS_MIN;
    use crate::testing::{NOW, as_actor, at, given, happen, when};

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

    /// Somebody else's registration of the same address.
    fn another() -> Register {
        let confirmation_command_id = CommandId::from_bytes([7; 16]);
        Register { confirmation_token_hash: OTHER_TOKEN, confirmation_command_id, ..register() }
    }

    #[test]
    fn a_second_registration_voids_the_password_once_and_the_token_under_way_stays_good() {
        let anybody = as_actor(Actor::ANONYMOUS);
        let mut state = given::<Account>(registered());
        let voided = PasswordVoided { account_id: ANN };
        assert_eq!(happen(&mut state, another(), &anybody), Ok(vec![voided.into()]));
        assert_eq!((state.password_place(), state.standing()), (None, Standing::Unconfirmed));
        assert_eq!(when(&state, another(), &anybody), Ok(vec![]));
        let confirm = ConfirmEmail { token_hash: CONFIRMATION };
        let confirmed = EmailConfirmed { account_id: ANN };
        assert_eq!(happen(&mut state, confirm, &anybody), Ok(vec![confirmed.into()]));
        assert_eq!((state.password_place(), state.standing()), (None, Standing::Confirmed));
    }

    #[test]
    fn a_second_registration_has_the_token_sent_again_as_often_as_any_may_be() {
        let later = at(as_actor(Actor::ANONYMOUS), NOW.plus_seconds(TOKEN_MAIL_SECONDS_MIN));
        let mut state = given::<Account>(registered());
        let events = happen(&mut state, another(), &later).expect("taken");
        let [AccountEvent::PasswordVoided(_), AccountEvent::EmailConfirmationRequested(mail)] =
            events.as_slice()
        else {
            panic!("{events:?}")
        };
        assert_eq!((mail.token_hash, mail.token_command_id), (CONFIRMATION, COMMAND));
        assert_eq!(when(&state, another(), &later), Ok(vec![]));
    }

    #[test]
    fn a_registration_of_a_proved_address_changes_nothing_and_its_owner_is_told_once_a_day() {
        let anybody = as_actor(Actor::ANONYMOUS);
        let mut state = given::<Account>(confirmed());
        let repeated = || Ok(vec![RegistrationRepeated { account_id: ANN }.into()]);
        assert_eq!(happen(&mut state, another(), &anybody), repeated());
        assert_eq!((state.password_place(), state.contact_place()), (Some(1), Some(0)));
        assert_eq!(when(&state, another(), &anybody), Ok(vec![]));
        let later = at(anybody, NOW.plus_seconds(crate::limits::REGISTRATION_REPEATED_SECONDS));
        assert_eq!(when(&state, another(), &later), repeated());
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
