use domain::session::SessionRevocationCause;
use domain::{AccountId, Actor, Digest, SessionId, Timestamp};

use super::*;
use crate::testing::{Fold, History};

const SESSION: SessionId = SessionId::from_bytes([1; 16]);
const ACCOUNT: AccountId = AccountId::from_bytes([2; 16]);

fn refreshed(rotation: u32) -> Event {
    SessionRefreshed {
        session_id: SESSION,
        account_id: ACCOUNT,
        rotation,
        refresh_hash: Digest::from_bytes([u8::try_from(rotation).expect("a small number"); 32]),
        expires_at: Timestamp::from_micros(9),
        signed_by: None,
    }
    .into()
}

fn folded(more: impl IntoIterator<Item = Event>) -> Fold<Sessions> {
    let (mut history, mut fold) = (History::new(), Fold::new(Sessions));
    let started = SessionStarted {
        session_id: SESSION,
        account_id: ACCOUNT,
        device_id: None,
        refresh_hash: Digest::from_bytes([0; 32]),
        expires_at: Timestamp::from_micros(9),
        password_revision: 1,
    };
    for event in [started.into()].into_iter().chain(more) {
        fold.fold(history.record(SESSION, None, Actor::account(ACCOUNT), event)).expect("a fold");
    }
    fold
}

fn tokens(fold: &Fold<Sessions>) -> Vec<(u32, Option<Timestamp>)> {
    fold.rows::<RefreshToken>().into_iter().map(|(row, _)| (row.rotation, row.ended_at)).collect()
}

#[test]
fn the_token_that_holds_and_the_one_before_are_kept() {
    let fold = folded([refreshed(1), refreshed(2), refreshed(3)]);
    assert_eq!(tokens(&fold), [(2, Some(History::at(4))), (3, None)]);
}

#[test]
fn revoking_ends_every_token() {
    let cause = SessionRevocationCause::RefreshTokenReused;
    let revoked = SessionRevoked { session_id: SESSION, account_id: ACCOUNT, cause };
    let fold = folded([refreshed(1), revoked.into()]);
    assert_eq!(tokens(&fold), [(0, Some(History::at(2))), (1, Some(History::at(3)))]);
    assert_eq!(fold.row::<SessionToken>(&SESSION).expect("a row").revocation_cause, Some(cause));
}
