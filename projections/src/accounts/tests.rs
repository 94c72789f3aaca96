use domain::account::{AccountRegistered, EmailConfirmed, PasswordVoided, RegistrationRepeated};
use domain::{Actor, CommandId, Digest, Timestamp};

use super::*;
use crate::testing::{Fold, History};

const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);

fn token(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

fn folded(events: impl IntoIterator<Item = Event>) -> Fold<Accounts> {
    let (mut history, mut fold) = (History::new(), Fold::new(Accounts));
    for event in events {
        fold.fold(history.record(ACCOUNT, None, Actor::ANONYMOUS, event)).expect("a fold");
    }
    fold
}

fn confirmation(byte: u8) -> Event {
    let expires_at = Timestamp::from_micros(9);
    let token_command_id = CommandId::from_bytes([byte; 16]);
    EmailConfirmationRequested { account_id: ACCOUNT, token_hash: token(byte), token_command_id, expires_at }
        .into()
}

#[test]
fn confirming_uses_the_last_token_and_not_those_before() {
    let fold = folded([
        AccountRegistered { account_id: ACCOUNT }.into(),
        confirmation(1),
        confirmation(2),
        EmailConfirmed { account_id: ACCOUNT }.into(),
    ]);
    let ends = |byte| {
        let row = fold.row::<EmailConfirmationToken>(&(ACCOUNT, token(byte))).expect("a row");
        (row.used_at, row.replaced_at)
    };
    assert_eq!(ends(1), (None, Some(History::at(3))));
    assert_eq!(ends(2), (Some(History::at(4)), None));
    assert_eq!(fold.row::<UserAccount>(&ACCOUNT).expect("a row").email_confirmed_at, Some(History::at(4)));
}

#[test]
fn a_token_that_is_sent_again_holds_on() {
    let fold = folded([AccountRegistered { account_id: ACCOUNT }.into(), confirmation(1), confirmation(1)]);
    let row = fold.row::<EmailConfirmationToken>(&(ACCOUNT, token(1))).expect("a row");
    assert_eq!((row.used_at, row.replaced_at), (None, None));
}

#[test]
fn a_reset_unlocks_and_uses_the_token() {
    let reset = PasswordResetRequested {
        account_id: ACCOUNT,
        token_hash: token(3),
        token_command_id: CommandId::from_bytes([3; 16]),
        expires_at: Timestamp::from_micros(9),
    };
    let locked =
        domain::account::LoginLocked { account_id: ACCOUNT, failures: 5, until: Timestamp::from_micros(99) };
    let fold = folded([
        AccountRegistered { account_id: ACCOUNT }.into(),
        locked.into(),
        reset.into(),
        PasswordSet { account_id: ACCOUNT, cause: PasswordCause::Reset, session_id: None }.into(),
    ]);
    let state = fold.row::<UserSecurityState>(&ACCOUNT).expect("a row");
    assert_eq!((state.failures, state.locked_until), (0, None));
    let used = fold.row::<PasswordResetToken>(&(ACCOUNT, token(3))).expect("a row").used_at;
    assert_eq!(used, Some(History::at(4)));
}

#[test]
fn a_voided_password_is_none() {
    let cause = PasswordCause::Registration;
    let fold = folded([
        AccountRegistered { account_id: ACCOUNT }.into(),
        PasswordSet { account_id: ACCOUNT, cause, session_id: None }.into(),
        PasswordVoided { account_id: ACCOUNT }.into(),
        RegistrationRepeated { account_id: ACCOUNT }.into(),
    ]);
    let state = fold.row::<UserSecurityState>(&ACCOUNT).expect("a row");
    assert_eq!((state.password_set_at, state.password_cause), (None, None));
}
