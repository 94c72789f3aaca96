//! What an account's own stream demands of its events.

use crate::violation::{Rule, Violation};
use crate::{AccountId, CommandId, Digest};

use super::state::IssuedToken;
use super::{Account, AccountEvent, PasswordCause, PasswordSet};

/// The account that the event is about.
pub(super) fn id_of(event: &AccountEvent) -> AccountId {
    match event {
        AccountEvent::Registered(event) => event.account_id,
        AccountEvent::EmailConfirmationRequested(event) => event.account_id,
        AccountEvent::EmailConfirmed(event) => event.account_id,
        AccountEvent::PasswordSet(event) => event.account_id,
        AccountEvent::PasswordVoided(event) => event.account_id,
        AccountEvent::PasswordResetRequested(event) => event.account_id,
        AccountEvent::RegistrationRepeated(event) => event.account_id,
        AccountEvent::ProfileChanged(event) => event.account_id,
        AccountEvent::MetadataChanged(event) => event.account_id,
        AccountEvent::LoginLocked(event) => event.account_id,
    }
}

/// See [`crate::Aggregate::check`].
pub(super) fn check(state: &Account, event: &AccountEvent) -> Result<(), Violation> {
    if let AccountEvent::Registered(_) = event {
        return Rule::Begins.equal(None, state.id().ok());
    }
    let account_id = Rule::Begins.some(state.id().ok(), "account.registered first", event)?;
    Rule::Identity.equal(account_id, id_of(event))?;
    match event {
        AccountEvent::Registered(_)
        | AccountEvent::ProfileChanged(_)
        | AccountEvent::MetadataChanged(_)
        | AccountEvent::LoginLocked(_) => Ok(()),
        AccountEvent::EmailConfirmationRequested(event) => {
            unconfirmed(state, event)?;
            same_token(state.email_confirmation(), &event.token_hash, event.token_command_id)
        }
        AccountEvent::EmailConfirmed(event) => {
            unconfirmed(state, event)?;
            Rule::Token.holds(state.email_confirmation().is_some(), "a token that was asked for", event)
        }
        AccountEvent::PasswordSet(event) => password(state, event),
        AccountEvent::PasswordVoided(event) => {
            unconfirmed(state, event)?;
            Rule::State.holds(state.password_place().is_some(), "a password before", event)
        }
        AccountEvent::RegistrationRepeated(event) => {
            Rule::State.holds(state.email_confirmed(), "a confirmed address", event)
        }
        AccountEvent::PasswordResetRequested(event) => {
            same_token(state.password_reset(), &event.token_hash, event.token_command_id)
        }
    }
}

fn unconfirmed(state: &Account, event: &dyn std::fmt::Debug) -> Result<(), Violation> {
    Rule::State.holds(!state.email_confirmed(), "an address that is not confirmed yet", event)
}

/// A token that is mailed again is the same one of the same command.
fn same_token(last: Option<&IssuedToken>, hash: &Digest, command_id: CommandId) -> Result<(), Violation> {
    match last.filter(|last| last.hash.matches(hash)) {
        Some(last) => Rule::Token.equal(last.command_id, command_id),
        None => Ok(()),
    }
}

fn password(state: &Account, event: &PasswordSet) -> Result<(), Violation> {
    let has_one = state.password_place().is_some();
    let names_session = event.session_id.is_some();
    match event.cause {
        PasswordCause::Registration => Rule::State.holds(!has_one, "no password yet", event)?,
        PasswordCause::Change | PasswordCause::Upgrade => {
            Rule::State.holds(has_one, "a password before", event)?;
        }
        PasswordCause::Reset => {
            Rule::Token.holds(state.password_reset().is_some(), "a token that was asked for", event)?;
        }
    }
    let may = !names_session || event.cause == PasswordCause::Change;
    Rule::State.holds(may, "a session for a change only", event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::*;
    use crate::account::{EmailConfirmed, PasswordResetRequested, PasswordVoided, RegistrationRepeated};
    use crate::testing::{broken, doubled, dropped, swapped};

    fn history() -> Vec<AccountEvent> {
        let reset = PasswordSet { account_id: ANN, cause: PasswordCause::Reset, session_id: None };
        confirmed().into_iter().chain([reset_requested(), reset.into()]).collect()
    }

    #[test]
    fn a_whole_history_passes() {
        assert_eq!(broken::<Account>(&history()), None);
    }

    #[test]
    fn what_is_doubled_is_refused_where_it_can_happen_once_only() {
        let rules =
            [Some(Rule::Begins), Some(Rule::State), None, None, Some(Rule::State), None, Some(Rule::Token)];
        for (at, rule) in rules.into_iter().enumerate() {
            let found = broken::<Account>(&doubled(&history(), at));
            assert_eq!(found, rule.map(|rule| (at + 1, rule)), "event {at}");
        }
    }

    #[test]
    fn what_is_missing_is_noticed_where_it_was_needed() {
        assert_eq!(broken::<Account>(&dropped(&history(), 0)), Some((0, Rule::Begins)));
        assert_eq!(broken::<Account>(&dropped(&history(), 3)), Some((3, Rule::Token)));
        assert_eq!(broken::<Account>(&dropped(&history(), 5)), Some((5, Rule::Token)));
        assert_eq!(broken::<Account>(&swapped(&history(), 3)), Some((3, Rule::Token)));
    }

    #[test]
    fn a_password_is_voided_once_and_before_the_proof_and_registering_is_repeated_after_it() {
        let voided = || AccountEvent::from(PasswordVoided { account_id: ANN });
        let repeated = || AccountEvent::from(RegistrationRepeated { account_id: ANN });
        let after = |events: Vec<AccountEvent>, event| [events, vec![event]].concat();
        assert_eq!(broken::<Account>(&after(registered(), voided())), None);
        assert_eq!(broken::<Account>(&after(confirmed(), repeated())), None);
        let twice = after(after(registered(), voided()), voided());
        assert_eq!(broken::<Account>(&twice), Some((5, Rule::State)));
        assert_eq!(broken::<Account>(&after(confirmed(), voided())), Some((5, Rule::State)));
        assert_eq!(broken::<Account>(&after(registered(), repeated())), Some((4, Rule::State)));
    }

    #[test]
    fn nobody_elses_event_passes() {
        let mut events = registered();
        events.push(EmailConfirmed { account_id: BEN }.into());
        assert_eq!(broken::<Account>(&events), Some((4, Rule::Identity)));
    }

    #[test]
    fn a_token_stays_that_of_its_command() {
        let (account_id, token_command_id) = (ANN, CommandId::from_bytes([9; 16]));
        let again = PasswordResetRequested {
            account_id,
            token_hash: RESET,
            token_command_id,
            expires_at: crate::testing::NOW,
        };
        let events = [registered(), vec![reset_requested(), again.into()]].concat();
        assert_eq!(broken::<Account>(&events), Some((5, Rule::Token)));
    }
}
