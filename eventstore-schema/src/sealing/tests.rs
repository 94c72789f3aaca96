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
