//! Given keys, when sealed and opened, then.

use domain::account::AccountContact;
use domain::conversation::MessageBody;
use domain::{AccountId, Blob, Category, ConversationId, EventId, OrganizationId, Period, Timestamp};

use super::*;
use crate::envelope::{Position, StreamId};
use crate::keyring::Destruction;
use crate::sealed::Tenant;

const EVENT: EventId = EventId::from_bytes([1; 16]);
const CONVERSATION: ConversationId = ConversationId::from_bytes([2; 16]);
const SUBJECT: AccountId = AccountId::from_bytes([3; 16]);
const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([4; 16]);
const PERIOD: Period = Period { conversation: CONVERSATION, number: 7 };
const DESTRUCTION: Destruction =
    Destruction { position: Position::new(9), at: Timestamp::from_micros(1_000) };

fn message_header() -> SealHeader {
    SealHeader {
        event_id: EVENT,
        event_type: "conversation.message_sent".to_owned(),
        version: 1,
        stream: StreamId::new(Category::Conversation, CONVERSATION),
        key_ref: KeyRef {
            tenant: Tenant::Organization(ORGANIZATION),
            subject: SUBJECT.into(),
            period: Some(PERIOD),
        },
    }
}

fn contact_header() -> SealHeader {
    SealHeader {
        event_id: EVENT,
        event_type: "account.registered".to_owned(),
        version: 1,
        stream: StreamId::new(Category::Account, SUBJECT),
        key_ref: KeyRef { tenant: Tenant::Platform, subject: SUBJECT.into(), period: None },
    }
}

fn body(content: &[u8]) -> MessageBody {
    MessageBody { content: Blob::new(content.to_vec()), cipher: None }
}

fn contact() -> AccountContact {
    AccountContact { email: "ada@example.org".to_owned() }
}

async fn sealer() -> Sealer {
    Sealer::new(Arc::new(Keyring::in_memory().await.unwrap()))
}

async fn seal(sealer: &Sealer, header: SealHeader, record: impl Into<PersonalRecord>) -> SealedCell {
    let sealed = sealer.seal(&header, &record.into()).await.unwrap();
    SealedCell { header, sealed }
}

#[tokio::test]
async fn what_was_sealed_opens_with_and_without_a_period() {
    let sealer = sealer().await;
    let message = seal(&sealer, message_header(), body(b"hello")).await;
    let account = seal(&sealer, contact_header(), contact()).await;
    assert_eq!(sealer.open::<MessageBody>(&message).await.unwrap(), Opened::Clear(body(b"hello")));
    assert_eq!(sealer.open::<AccountContact>(&account).await.unwrap(), Opened::Clear(contact()));
}

#[tokio::test]
async fn destroying_any_one_of_the_keys_erases() {
    let key_ref = message_header().key_ref;
    for name in key_ref.keys() {
        let sealer = sealer().await;
        let cell = seal(&sealer, message_header(), body(b"hello")).await;
        sealer.keyring().destroy(name, DESTRUCTION).await.unwrap();
        assert_eq!(sealer.open::<MessageBody>(&cell).await.unwrap(), Opened::Erased, "{name}");
        let again = sealer.seal(&message_header(), &body(b"hello").into()).await;
        assert!(matches!(again, Err(SealError::Key(KeyError::Destroyed { key })) if key == name));
    }
    assert_eq!(key_ref.keys().count(), 3);
}

#[tokio::test]
async fn an_unknown_key_is_an_error_and_a_destroyed_one_beside_it_still_erases() {
    let cell = seal(&sealer().await, message_header(), body(b"hello")).await;
    let other = sealer().await;
    let refused = other.open::<MessageBody>(&cell).await;
    assert!(matches!(refused, Err(SealError::Key(KeyError::Unknown { .. }))));
    other.keyring().destroy(KeyName::Subject(SUBJECT.into()), DESTRUCTION).await.unwrap();
    assert_eq!(other.open::<MessageBody>(&cell).await.unwrap(), Opened::Erased);
}

#[tokio::test]
async fn a_key_that_took_the_place_of_another_neither_opens_nor_erases() {
    let cell = seal(&sealer().await, contact_header(), contact()).await;
    let other = sealer().await;
    seal(&other, contact_header(), contact()).await;
    let refused = other.open::<AccountContact>(&cell).await;
    assert!(matches!(refused, Err(SealError::Tampered { event_id: EVENT })));
}

#[tokio::test]
async fn a_page_opens_in_its_order_with_what_is_erased_in_its_place() {
    let sealer = sealer().await;
    let mut cells = Vec::new();
    for number in 0..10u8 {
        let mut header = message_header();
        header.event_id = EventId::from_bytes([number; 16]);
        header.key_ref.subject = AccountId::from_bytes([number % 3; 16]).into();
        header.key_ref.period = (number % 2 == 0).then_some(PERIOD);
        cells.push(seal(&sealer, header, body(&[number])).await);
    }
    let erased = KeyName::Subject(AccountId::from_bytes([1; 16]).into());
    sealer.keyring().destroy(erased, DESTRUCTION).await.unwrap();
    let opened = sealer.open_all::<MessageBody>(&cells).await.unwrap();
    for (number, opened) in (0..10u8).zip(opened) {
        let expected = if number % 3 == 1 { Opened::Erased } else { Opened::Clear(body(&[number])) };
        assert_eq!(opened, expected, "{number}");
    }
    assert_eq!(sealer.open_all::<MessageBody>(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn equal_records_are_sealed_to_different_bytes() {
    let sealer = sealer().await;
    let (one, two) =
        (seal(&sealer, contact_header(), contact()).await, seal(&sealer, contact_header(), contact()).await);
    assert_ne!(one.sealed, two.sealed);
}

#[tokio::test]
async fn a_record_is_sealed_and_opened_as_what_its_event_seals_only() {
    let sealer = sealer().await;
    let wrong = sealer.seal(&message_header(), &contact().into()).await;
    assert!(matches!(
        wrong,
        Err(SealError::Record { expected: "message_body", found: "account_contact", .. })
    ));
    let cell = seal(&sealer, message_header(), body(b"hello")).await;
    let wrong = sealer.open::<AccountContact>(&cell).await;
    assert!(matches!(wrong, Err(SealError::Record { .. })));
    let mut header = message_header();
    header.event_type = "conversation.message_deleted".to_owned();
    let nothing = sealer.seal(&header, &body(b"hello").into()).await;
    assert!(matches!(nothing, Err(SealError::Record { expected: "nothing", .. })));
}

#[tokio::test]
async fn another_format_and_cut_bytes_are_told_from_tampering() {
    let sealer = sealer().await;
    let cell = seal(&sealer, contact_header(), contact()).await;
    let with = |sealed: Vec<u8>| SealedCell { header: contact_header(), sealed: sealed.into() };
    let mut newer = cell.sealed.to_vec();
    newer[0] = 2;
    for sealed in [newer, cell.sealed[..60].to_vec(), Vec::new()] {
        let refused = sealer.open::<AccountContact>(&with(sealed)).await;
        assert!(matches!(refused, Err(SealError::Format { event_id: EVENT })));
    }
    let mut changed = cell.sealed.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    let refused = sealer.open::<AccountContact>(&with(changed)).await;
    assert!(matches!(refused, Err(SealError::Tampered { event_id: EVENT })));
}

#[tokio::test]
async fn neither_errors_nor_debug_texts_tell_secrets_or_ciphertext() {
    let sealer = sealer().await;
    let cell = seal(&sealer, contact_header(), contact()).await;
    let mut other = cell.clone();
    other.header.version = 2;
    let error = sealer.open::<AccountContact>(&other).await.unwrap_err();
    let opened = sealer.open::<AccountContact>(&cell).await.unwrap();
    let texts =
        [format!("{sealer:?}"), format!("{cell:?}"), format!("{error:?} {error}"), format!("{opened:?}")];
    let ciphertext = format!("{:?}", &cell.sealed[73..]);
    for text in texts {
        assert!(!text.contains("ada@") && !text.contains(&ciphertext) && !text.contains("b\"\\x"), "{text}");
    }
}
