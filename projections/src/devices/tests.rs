use domain::device::{DeviceRenamed, DeviceRevocationCause, DeviceRevoked};
use domain::{AccountId, Actor, DeviceId, HpkeKey, RecipientId, Signature, VerifyKey};

use super::*;
use crate::testing::{Fold, History};

const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
const DEVICE: DeviceId = DeviceId::from_bytes([2; 16]);

#[test]
fn a_revoked_device_keeps_its_keys_and_its_last_label() {
    let (mut history, mut fold) = (History::new(), Fold::new(Devices));
    let enrolled = DeviceEnrolled {
        account_id: ACCOUNT,
        device_id: DEVICE,
        hpke_key: HpkeKey::from_bytes([3; 32]),
        verify_key: VerifyKey::from_bytes([4; 32]),
        certificate: Signature::from_bytes([5; 64]),
    };
    let renamed = DeviceRenamed { account_id: ACCOUNT, device_id: DEVICE };
    let cause = DeviceRevocationCause::Lost;
    let revoked = DeviceRevoked { account_id: ACCOUNT, device_id: DEVICE, cause };
    let events: [Event; 3] = [enrolled.into(), renamed.into(), revoked.into()];
    let mut labels = Vec::new();
    for event in events {
        let recorded = history.record(ACCOUNT, None, Actor::account(ACCOUNT), event);
        labels.extend(recorded.sealed_cell());
        fold.fold(recorded).expect("a fold");
    }
    let row = fold.row::<Device>(&(ACCOUNT, DEVICE)).expect("a row");
    assert_eq!((row.revoked_at, row.revocation_cause), (Some(History::at(3)), Some(cause)));
    assert_eq!(row.hpke_key, HpkeKey::from_bytes([3; 32]));
    assert_eq!(Some(&row.label), labels.get(1));
}

#[test]
fn another_identity_takes_the_place_of_the_one_before() {
    let (mut history, mut fold) = (History::new(), Fold::new(Devices));
    for number in [1, 2] {
        let published = IdentityPublished {
            account_id: ACCOUNT,
            identity_key: VerifyKey::from_bytes([number; 32]),
            recovery_id: RecipientId::from_bytes([number; 16]),
            recovery_key: HpkeKey::from_bytes([number; 32]),
            recovery_certificate: Signature::from_bytes([number; 64]),
            after_reset: None,
        };
        let recorded = history.record(ACCOUNT, None, Actor::account(ACCOUNT), Event::from(published));
        fold.fold(recorded).expect("a fold");
    }
    let row = fold.row::<UserKeys>(&ACCOUNT).expect("a row");
    assert_eq!(row.identity_key, VerifyKey::from_bytes([2; 32]));
    assert_eq!((row.recovery_id, row.published_at), (RecipientId::from_bytes([2; 16]), History::at(2)));
}

#[test]
fn another_accounts_device_of_the_same_id_is_another_row() {
    let (mut history, mut fold) = (History::new(), Fold::new(Devices));
    let other = AccountId::from_bytes([9; 16]);
    for (account_id, byte) in [(ACCOUNT, 3), (other, 6)] {
        let enrolled = DeviceEnrolled {
            account_id,
            device_id: DEVICE,
            hpke_key: HpkeKey::from_bytes([byte; 32]),
            verify_key: VerifyKey::from_bytes([byte; 32]),
            certificate: Signature::from_bytes([5; 64]),
        };
        fold.fold(history.record(account_id, None, Actor::account(account_id), enrolled)).expect("a fold");
    }
    let cause = DeviceRevocationCause::Requested;
    let revoked = DeviceRevoked { account_id: other, device_id: DEVICE, cause };
    fold.fold(history.record(other, None, Actor::account(other), revoked)).expect("a fold");
    let row = |account_id| fold.row::<Device>(&(account_id, DEVICE)).expect("a row");
    assert_eq!((row(ACCOUNT).revoked_at, row(ACCOUNT).hpke_key), (None, HpkeKey::from_bytes([3; 32])));
    assert_eq!(row(other).revocation_cause, Some(cause));
}
