//! The forms stay what they are, byte for byte, and no two things share one.

use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;

use super::*;
use crate::conversation::RecipientKind;
use crate::{Blob, RecipientId};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn recipient(account: u8, id: u8) -> AccountRecipient {
    AccountRecipient::new(AccountId::from_bytes([account; 16]), RecipientId::from_bytes([id; 16]))
}

fn device(account: u8, id: u8) -> AccountDevice {
    AccountDevice::new(AccountId::from_bytes([account; 16]), DeviceId::from_bytes([id; 16]))
}

fn wrap_binding() -> WrapBinding {
    WrapBinding {
        organization_id: OrganizationId::from_bytes([0x01; 16]),
        conversation_id: ConversationId::from_bytes([0x02; 16]),
        generation: 0x0304_0506,
        suite: Suite::X25519Siv,
        recipient: recipient(0x0a, 0x07),
        device: device(0x0b, 0x08),
        transcript: Digest::from_bytes([0x09; 32]),
    }
}

fn message_binding() -> MessageBinding {
    MessageBinding {
        conversation_id: ConversationId::from_bytes([0x02; 16]),
        generation: 0x0304_0506,
        sender_id: AccountId::from_bytes([0x0a; 16]),
        device_id: DeviceId::from_bytes([0x08; 16]),
        message_id: MessageId::from_bytes([0x0b; 16]),
        kind: ContentKind::Reaction,
        target: 0x1112_1314_1516_1718,
    }
}

fn transcript() -> Transcript {
    Transcript {
        previous: Digest::from_bytes([0x09; 32]),
        generation: 2,
        organization_id: OrganizationId::from_bytes([0x01; 16]),
        conversation_id: ConversationId::from_bytes([0x02; 16]),
    }
}

fn roster() -> Vec<(AccountId, Recipient)> {
    let recipient = |byte: u8, verify_key| Recipient {
        recipient_id: RecipientId::from_bytes([byte; 16]),
        kind: RecipientKind::Device,
        hpke_key: HpkeKey::from_bytes([byte; 32]),
        verify_key,
    };
    vec![
        (AccountId::from_bytes([0x0a; 16]), recipient(1, Some(VerifyKey::from_bytes([0x0c; 32])))),
        (
            AccountId::from_bytes([0x0d; 16]),
            Recipient { kind: RecipientKind::Recovery, ..recipient(2, None) },
        ),
    ]
}

fn digest(transcript: &Transcript, roster: &[(AccountId, Recipient)]) -> Digest {
    transcript.digest(roster.iter().map(|(account_id, recipient)| (*account_id, recipient)))
}

#[test]
fn the_forms_are_these_for_ever() {
    let repeated = |byte: &str, times: usize| byte.repeat(times);
    let info = wrap_binding().info();
    let expected = [
        "1d",
        &hex(b"envoi 2026-11-21 wrap info v1"),
        &repeated("01", 16),
        &repeated("02", 16),
        "03040506",
        "01",
        &repeated("0a", 16),
        &repeated("07", 16),
        &repeated("0b", 16),
        &repeated("08", 16),
        &repeated("09", 32),
    ];
    assert_eq!(hex(&info), expected.concat());
    let data = message_binding().associated_data();
    let expected = [
        "20",
        &hex(b"envoi 2026-11-21 message data v1"),
        &repeated("02", 16),
        "03040506",
        &repeated("0a", 16),
        &repeated("08", 16),
        &repeated("0b", 16),
        "03",
        "1112131415161718",
    ];
    assert_eq!(hex(&data), expected.concat());
    let input = wrap_binding().signature_input(&HpkeKey::from_bytes([0x0e; 32]), b"sealed");
    let expected = [
        "22",
        &hex(b"envoi 2026-11-21 wrap signature v1"),
        &hex(&info),
        &repeated("0e", 32),
        "00000006",
        &hex(b"sealed"),
    ];
    assert_eq!(hex(&input), expected.concat());
    let (nonce, commitment) = (Nonce::from_bytes([0x0f; 16]), Digest::from_bytes([0x10; 32]));
    let input = message_binding().signature_input(&nonce, &commitment, b"sealed");
    let expected = [
        "25",
        &hex(b"envoi 2026-11-21 message signature v1"),
        &hex(&data),
        &repeated("0f", 16),
        &repeated("10", 32),
        "00000006",
        &hex(b"sealed"),
    ];
    assert_eq!(hex(&input), expected.concat());
}

#[test]
fn the_transcript_is_this_for_ever() {
    let hashed = [
        &[0x09; 32][..],
        &[0, 0, 0, 2],
        &[0x01; 16],
        &[0x02; 16],
        &[0, 0, 0, 2],
        &[[0x0a; 16], [0x01; 16]].concat(),
        &[0x01],
        &[0x01; 32],
        &[0x01],
        &[0x0c; 32],
        &[[0x0d; 16], [0x02; 16]].concat(),
        &[0x02],
        &[0x02; 32],
        &[0x00; 33],
    ];
    let expected = blake3::derive_key("envoi 2026-11-21 membership transcript v1", &hashed.concat());
    assert_eq!(digest(&transcript(), &roster()), Digest::from_bytes(expected));
    assert_eq!(hex(&expected), "f87bad656306e24c089fc2c31b26bea66a8b4103a09d11fc7fbf416e70996f95");
}

#[test]
fn documented_lengths_are_true() {
    let empty_wrap = wrap_binding().signature_input(&HpkeKey::from_bytes([0; 32]), b"");
    let empty_message =
        message_binding().signature_input(&Nonce::from_bytes([0; 16]), &Digest::from_bytes([0; 32]), b"");
    let lengths = [
        wrap_binding().info().len(),
        empty_wrap.len(),
        message_binding().associated_data().len(),
        empty_message.len(),
    ];
    assert_eq!(lengths, [163, 234, 110, 200]);
}

#[test]
fn a_transcript_covers_the_roster_in_any_order_and_every_field() {
    let whole = digest(&transcript(), &roster());
    let mut reversed = roster();
    reversed.reverse();
    assert_eq!(digest(&transcript(), &reversed), whole);

    let zero = [0; 16];
    let others = [
        Transcript { previous: whole, ..transcript() },
        Transcript { generation: 3, ..transcript() },
        Transcript { organization_id: OrganizationId::from_bytes(zero), ..transcript() },
        Transcript { conversation_id: ConversationId::from_bytes(zero), ..transcript() },
    ];
    let mut seen = vec![whole];
    seen.extend(others.iter().map(|other| digest(other, &roster())));
    let changes: [fn(&mut (AccountId, Recipient)); 6] = [
        |one| one.0 = AccountId::from_bytes([0; 16]),
        |one| one.1.recipient_id = RecipientId::from_bytes([0; 16]),
        |one| one.1.kind = RecipientKind::Recovery,
        |one| one.1.hpke_key = HpkeKey::from_bytes([0; 32]),
        |one| one.1.verify_key = None,
        |one| one.1.verify_key = Some(VerifyKey::from_bytes([0; 32])),
    ];
    for change in changes {
        let mut roster = roster();
        change(&mut roster[0]);
        seen.push(digest(&transcript(), &roster));
    }
    seen.push(digest(&transcript(), &roster()[..1]));
    seen.push(digest(&transcript(), &[]));
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

#[test]
fn a_wrap_verifies_for_what_it_was_signed_for_only() {
    let key = SigningKey::from_bytes(&[5; 32]);
    let signer = VerifyKey::from_bytes(key.verifying_key().to_bytes());
    let encapsulated_key = HpkeKey::from_bytes([0x11; 32]);
    let sign = |ciphertext: Vec<u8>| Wrap {
        account_id: wrap_binding().recipient.account_id,
        recipient_id: wrap_binding().recipient.recipient_id,
        encapsulated_key,
        signature: Signature::from_bytes(
            key.sign(&wrap_binding().signature_input(&encapsulated_key, &ciphertext)).to_bytes(),
        ),
        ciphertext: Blob::new(ciphertext),
    };
    let wrap = sign(vec![0x22; WRAP_CIPHERTEXT_BYTES]);
    assert!(wrap_binding().verifies(&wrap, &signer));
    assert!(!wrap_binding().verifies(&sign(vec![0x22; 79]), &signer));
    assert!(!wrap_binding().verifies(&sign(vec![0x22; 81]), &signer));
    assert!(!WrapBinding { generation: 1, ..wrap_binding() }.verifies(&wrap, &signer));
    // Another account's recipient of the same id is another recipient, and another's device another sender.
    let readdressed = Wrap { account_id: AccountId::from_bytes([0x0c; 16]), ..wrap.clone() };
    assert!(!wrap_binding().verifies(&readdressed, &signer));
    let binding = WrapBinding { recipient: readdressed.recipient(), ..wrap_binding() };
    assert!(!binding.verifies(&readdressed, &signer));
    assert!(!WrapBinding { device: device(0x0c, 0x08), ..wrap_binding() }.verifies(&wrap, &signer));
    let other = VerifyKey::from_bytes(SigningKey::from_bytes(&[6; 32]).verifying_key().to_bytes());
    assert!(!wrap_binding().verifies(&wrap, &other));
    // The neutral element is a key under which, without strictness, one signature fits every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut universal = [0; 64];
    universal[0] = 1;
    let forged = Wrap { signature: Signature::from_bytes(universal), ..wrap };
    assert!(!wrap_binding().verifies(&forged, &VerifyKey::from_bytes(neutral)));
}

/// Few values, so that equal fields are as common as different ones.
fn few() -> impl Strategy<Value = u8> {
    0..3u8
}

prop_compose! {
    fn any_wrap_binding()(
        a in few(), b in few(), c in few(), d in few(), e in few(), f in few(), g in few(), h in few(),
    ) -> WrapBinding {
        WrapBinding {
            organization_id: OrganizationId::from_bytes([a; 16]),
            conversation_id: ConversationId::from_bytes([b; 16]),
            generation: u32::from(c),
            suite: Suite::X25519Siv,
            recipient: recipient(d, e),
            device: device(f, g),
            transcript: Digest::from_bytes([h; 32]),
        }
    }
}

prop_compose! {
    fn any_message_binding()(a in few(), b in few(), c in few(), d in few(), e in few(), f in few(), g in few())
        -> MessageBinding
    {
        MessageBinding {
            conversation_id: ConversationId::from_bytes([a; 16]),
            generation: u32::from(b),
            sender_id: AccountId::from_bytes([c; 16]),
            device_id: DeviceId::from_bytes([d; 16]),
            message_id: MessageId::from_bytes([e; 16]),
            kind: ContentKind::ALL[usize::from(f)],
            target: u64::from(g),
        }
    }
}

proptest! {
    #[test]
    fn no_two_wraps_sign_the_same_bytes(
        a in (any_wrap_binding(), few(), prop::collection::vec(few(), 0..3)),
        b in (any_wrap_binding(), few(), prop::collection::vec(few(), 0..3)),
    ) {
        let input = |(binding, key, ciphertext): &(WrapBinding, u8, Vec<u8>)| {
            binding.signature_input(&HpkeKey::from_bytes([*key; 32]), ciphertext)
        };
        prop_assert_eq!(a.0 == b.0, a.0.info() == b.0.info());
        prop_assert_eq!(a == b, input(&a) == input(&b));
    }

    #[test]
    fn no_two_messages_sign_the_same_bytes(
        a in (any_message_binding(), few(), few(), prop::collection::vec(few(), 0..3)),
        b in (any_message_binding(), few(), few(), prop::collection::vec(few(), 0..3)),
    ) {
        let input = |(binding, nonce, commitment, ciphertext): &(MessageBinding, u8, u8, Vec<u8>)| {
            let (nonce, commitment) = (Nonce::from_bytes([*nonce; 16]), Digest::from_bytes([*commitment; 32]));
            binding.signature_input(&nonce, &commitment, ciphertext)
        };
        prop_assert_eq!(a.0 == b.0, a.0.associated_data() == b.0.associated_data());
        prop_assert_eq!(a == b, input(&a) == input(&b));
    }
}
