//! What the tests of session rules share, and what holds for any history.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::aggregate::Actor;
use crate::limits::SESSION_IDLE_SECONDS;
use crate::testing::{NOW, account, as_actor, at, by, given, happen};
use crate::{AccountId, DeviceId, Digest, SessionId};

use super::commands::{RefreshSession, RevokeSession, SessionCommand, StartSession};
use super::*;

pub(super) const ANN: AccountId = account(1);
pub(super) const BEN: AccountId = account(2);
pub(super) const SESSION: SessionId = SessionId::from_bytes([9; 16]);

/// The hash of token number `number`.
pub(super) fn token(number: u32) -> Digest {
    Digest::from_bytes(*blake3::hash(&number.to_be_bytes()).as_bytes())
}

pub(super) fn start() -> StartSession {
    let origin = SessionOrigin { ip: Some("192.0.2.1".into()), user_agent: None };
    StartSession {
        session_id: SESSION,
        account_id: ANN,
        device_id: None,
        refresh_hash: token(0),
        password_revision: 1,
        origin,
    }
}

pub(super) fn started() -> SessionEvent {
    SessionStarted {
        session_id: SESSION,
        account_id: ANN,
        device_id: None,
        refresh_hash: token(0),
        expires_at: NOW.plus_seconds(SESSION_IDLE_SECONDS),
        password_revision: 1,
    }
    .into()
}

/// The exchange of token `rotation - 1` for token `rotation`.
pub(super) fn refreshed(rotation: u32) -> SessionEvent {
    exchanged(rotation, None)
}

/// The same, signed.
pub(super) fn exchanged(rotation: u32, signed_by: Option<DeviceId>) -> SessionEvent {
    SessionRefreshed {
        session_id: SESSION,
        account_id: ANN,
        rotation,
        refresh_hash: token(rotation),
        expires_at: NOW.plus_seconds(SESSION_IDLE_SECONDS),
        signed_by,
    }
    .into()
}

pub(super) fn revoked(cause: SessionRevocationCause) -> SessionEvent {
    SessionRevoked { session_id: SESSION, account_id: ANN, cause }.into()
}

/// Presents token `number`, whose successor is the next.
pub(super) fn refresh(number: u32) -> RefreshSession {
    RefreshSession { presented_hash: token(number), successor_hash: token(number + 1), signed_by: None }
}

proptest! {
    /// Whatever tokens are presented in whatever order: a token yields a successor at most until that successor is used
    /// itself, and any other use ends the session for good.
    #[test]
    fn a_used_up_token_is_never_taken(presented in prop::collection::vec(0u32..8, 1..40)) {
        let mut state = given::<Session>([started()]);
        let context = as_actor(Actor::ANONYMOUS);
        let mut used_up = BTreeSet::new();
        let mut history = vec![started()];
        for number in presented {
            let answer = happen(&mut state, refresh(number), &context);
            let taken = answer.is_ok() && state.revoked().is_none();
            prop_assert!(!(taken && used_up.contains(&number)), "token {} came back", number);
            if taken {
                // Its predecessor's only retry is over.
                used_up.extend(0..number);
                prop_assert!(state.rotation() == number + 1);
            }
            history.extend(answer.unwrap_or_default());
        }
        prop_assert_eq!(given::<Session>(history), state);
    }

    /// A session once ended stays ended, whatever is asked of it.
    #[test]
    fn an_ended_session_never_comes_back(numbers in prop::collection::vec((0u8..4, 0u32..4), 1..20)) {
        let mut state = given::<Session>([started(), revoked(SessionRevocationCause::Logout)]);
        let later = at(by(ANN), NOW.plus_seconds(60));
        for (kind, number) in numbers {
            let command: SessionCommand = match kind {
                0 => start().into(),
                1 => refresh(number).into(),
                2 => commands::BindDevice { device_id: crate::DeviceId::from_bytes([1; 16]) }.into(),
                _ => RevokeSession { cause: SessionRevocationCause::Requested }.into(),
            };
            prop_assert!(happen(&mut state, command, &later).unwrap_or_default().is_empty());
            prop_assert!(!state.is_active(later.now));
        }
    }
}
