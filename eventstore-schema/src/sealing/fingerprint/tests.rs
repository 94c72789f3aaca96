//! Given what was asked and under which keys, when it is asked again, then.

use domain::{AccountId, Actor, ConversationId, CorrelationId, OrganizationId, Timestamp};

use super::*;
use crate::Position;
use crate::keyring::{Destruction, Keyring};

const COMMAND: CommandId = CommandId::from_bytes([1; 16]);
const ACCOUNT: AccountId = AccountId::from_bytes([3; 16]);
const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([4; 16]);
const PERIOD: Period = Period { conversation: ConversationId::from_bytes([5; 16]), number: 7 };
const YES: [u8; 32] = [0xa1; 32];
const NO: [u8; 32] = [0xa2; 32];
const DESTRUCTION: Destruction =
    Destruction { position: Position::new(9), at: Timestamp::from_micros(1_000) };

async fn sealer() -> Sealer {
    Sealer::new(Arc::new(Keyring::in_memory().await.unwrap()))
}

fn origin(actor: Actor) -> Origin {
    Origin {
        organization_id: Some(ORGANIZATION),
        actor,
        device_id: None,
        correlation_id: CorrelationId::from_bytes([6; 16]),
        causation_id: None,
        recorded_at: Timestamp::from_micros(1),
    }
}

fn of_message() -> FingerprintKeys {
    let key_ref =
        KeyRef { tenant: Tenant::Organization(ORGANIZATION), subject: ACCOUNT.into(), period: Some(PERIOD) };
    FingerprintKeys::of(&origin(Actor::account(ACCOUNT)), Some(key_ref))
}

fn all_keys() -> [KeyName; 3] {
    [
        KeyName::Tenant(Tenant::Organization(ORGANIZATION)),
        KeyName::Subject(ACCOUNT.into()),
        KeyName::Period(PERIOD),
    ]
}

#[test]
fn keys_are_those_of_the_sealed_part_or_else_tenant_and_account() {
    let names = |keys: FingerprintKeys| keys.names().map(|(_, name)| name).collect::<Vec<_>>();
    let [tenant, subject, period] = all_keys();
    assert_eq!(names(of_message()), [tenant, subject, period]);
    assert_eq!(names(FingerprintKeys::of(&origin(Actor::account(ACCOUNT)), None)), [tenant, subject]);
    for actor in [Actor::ANONYMOUS, Actor::SYSTEM, Actor::OPERATOR] {
        assert_eq!(names(FingerprintKeys::of(&origin(actor), None)), [tenant]);
    }
    let platform = Origin { organization_id: None, ..origin(Actor::OPERATOR) };
    assert_eq!(names(FingerprintKeys::of(&platform, None)), [KeyName::Tenant(Tenant::Platform)]);
}

#[tokio::test]
async fn the_same_is_recognised_and_nothing_else() {
    let sealer = sealer().await;
    let keys = of_message();
    let made = sealer.fingerprint(&keys, COMMAND, &YES).await.unwrap();
    assert_eq!(sealer.recognise(&keys, COMMAND, &YES, &made).await.unwrap(), Recognition::Same);
    assert_eq!(sealer.recognise(&keys, COMMAND, &NO, &made).await.unwrap(), Recognition::Other);
    for foreign in [IMPLIED, Digest::from_bytes([2; 32])] {
        assert_eq!(sealer.recognise(&keys, COMMAND, &YES, &foreign).await.unwrap(), Recognition::Other);
    }
    // Equal messages do not show as equal.
    let another = CommandId::from_bytes([2; 16]);
    let again = sealer.fingerprint(&keys, another, &YES).await.unwrap();
    assert_ne!(made.as_bytes()[HEADER_BYTES..], again.as_bytes()[HEADER_BYTES..]);
    assert_eq!(sealer.recognise(&keys, another, &YES, &made).await.unwrap(), Recognition::Other);
}

#[tokio::test]
async fn it_is_recognised_after_any_of_its_keys_was_rotated() {
    let sealer = sealer().await;
    let keys = of_message();
    let made = sealer.fingerprint(&keys, COMMAND, &YES).await.unwrap();
    for name in all_keys() {
        assert!(sealer.keyring().rotate(name, 1, false).await.unwrap());
        assert_eq!(sealer.recognise(&keys, COMMAND, &YES, &made).await.unwrap(), Recognition::Same);
        assert_eq!(sealer.recognise(&keys, COMMAND, &NO, &made).await.unwrap(), Recognition::Other);
    }
    let now = sealer.fingerprint(&keys, COMMAND, &YES).await.unwrap();
    assert_eq!((versions_of(&made), versions_of(&now)), (Some([1, 1, 1]), Some([2, 2, 2])));
    assert_eq!(sealer.recognise(&keys, COMMAND, &YES, &now).await.unwrap(), Recognition::Same);
}

#[tokio::test]
async fn with_any_of_its_keys_destroyed_nobody_can_tell() {
    for name in all_keys() {
        let sealer = sealer().await;
        let keys = of_message();
        let made = sealer.fingerprint(&keys, COMMAND, &YES).await.unwrap();
        sealer.keyring().destroy(name, DESTRUCTION).await.unwrap();
        for content in [YES, NO] {
            let recognised = sealer.recognise(&keys, COMMAND, &content, &made).await.unwrap();
            assert_eq!(recognised, Recognition::Erased, "{name}");
        }
        let again = sealer.fingerprint(&keys, COMMAND, &YES).await;
        assert!(matches!(again, Err(SealError::Key(KeyError::Destroyed { key })) if key == name));
    }
}

#[tokio::test]
async fn a_key_that_is_just_not_there_is_an_error() {
    let made = sealer().await.fingerprint(&of_message(), COMMAND, &YES).await.unwrap();
    let other = sealer().await;
    let answer = other.recognise(&of_message(), COMMAND, &YES, &made).await;
    assert!(matches!(answer, Err(SealError::Key(KeyError::Unknown { .. }))));
}

#[test]
fn the_bytes_are_those_that_are_described() {
    let [tenant, subject, period] = [[0x11; 32], [0x22; 32], [0x33; 32]].map(Zeroizing::new);
    let cases = [
        ([1, 2, 3], [Some(&tenant), Some(&subject), Some(&period)]),
        ([1, 2, 0], [Some(&tenant), Some(&subject), None]),
        ([1, 0, 0], [Some(&tenant), None, None]),
    ];
    for (versions, keys) in cases {
        let mut material = Vec::new();
        for key in keys {
            material.push(u8::from(key.is_some()));
            material.extend(key.iter().flat_map(|key| key.iter()));
        }
        let key = blake3::derive_key("envoi 2026-11-21 command fingerprint key v1", &material);
        let mut expected = vec![1];
        expected.extend(versions.iter().flat_map(|version: &u16| version.to_be_bytes()));
        let input = [expected.as_slice(), COMMAND.as_bytes(), &YES].concat();
        expected.extend_from_slice(&blake3::keyed_hash(&key, &input).as_bytes()[..25]);
        assert_eq!(compute(versions, keys, COMMAND, &YES).as_bytes().as_slice(), expected);
    }
}
