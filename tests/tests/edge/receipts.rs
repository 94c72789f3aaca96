//! Receipts through the SDK, over every engine of the log: what is acknowledged one by one is recorded together, all of it, and
//! shown exactly.

use domain::Event;
use domain::conversation_member::ConversationMemberEvent;
use domain::organization::OrganizationRole;
use envoi_client::api::dto::{DeliveryState, NewGroup};
use envoi_client::live::{Incoming, Live};
use eventstore_schema::over_engines;
use eventstore_schema::testing::Engine;
use tests::person::Person;
use tests::server::{PATIENCE, TestServer};

over_engines! {
    what_is_acknowledged_one_by_one_is_recorded_together,
}

const MESSAGES: u64 = 12;

/// The receipts that come, up to and with the one of the last message.
async fn receipts(live: &mut Live) -> Vec<(u64, u64)> {
    let mut marks = Vec::new();
    let take = async {
        while marks.last() != Some(&(MESSAGES, MESSAGES)) {
            let Some(Incoming::Event(happening)) = live.next().await else { continue };
            if let Event::ConversationMember(ConversationMemberEvent::ReceiptRecorded(receipt)) =
                happening.event
            {
                marks.push((receipt.delivered_up_to, receipt.read_up_to));
            }
        }
    };
    tokio::time::timeout(PATIENCE, take).await.expect("the last receipt comes");
    marks
}

async fn what_is_acknowledged_one_by_one_is_recorded_together(engine: Engine) {
    let server = TestServer::start_over(engine).await;
    let (ann, bob) = tokio::join!(Person::with_device(&server, "ann"), Person::with_device(&server, "bob"));
    let organization = ann.client.create_organization("Acme").await.unwrap();
    ann.bring(organization, &bob, OrganizationRole::Member).await;
    let new = NewGroup { members: vec![bob.id()], ..NewGroup::default() };
    let group = ann.client.create_group(organization, &new).await.unwrap();
    let mut live = ann.client.live(None);
    assert!(matches!(live.next().await, Some(Incoming::Connected)));
    for number in 1..=MESSAGES {
        ann.client.send_text(group, "hello").await.unwrap();
        bob.client.acknowledge(group, number, number / 2);
    }
    bob.client.acknowledge(group, MESSAGES, MESSAGES);
    bob.client.flush().await.unwrap();
    let recorded = receipts(&mut live).await;
    assert!(recorded.len() < usize::try_from(MESSAGES).unwrap(), "{recorded:?}");
    server.settled().await;
    for number in 1..=MESSAGES {
        let deliveries = envoi_client::api::messages::deliveries(ann.client.session(), group, number, None);
        let items = deliveries.await.unwrap().items;
        assert!(matches!(&items[..], [one] if one.state == DeliveryState::Read), "{number}: {items:?}");
    }
    // What is repeated, or less than recorded, changes nothing and is no error; what there is not is refused.
    bob.client.record_receipt(group, 3, 1).await.unwrap();
    let beyond = bob.client.record_receipt(group, MESSAGES + 1, 0).await.unwrap_err();
    assert!(beyond.is("invalid_field"), "{beyond}");
    // The last ones go with the session.
    ann.client.send_text(group, "one more").await.unwrap();
    bob.client.acknowledge(group, MESSAGES + 1, MESSAGES + 1);
    bob.client.logout().await.unwrap();
    server.settled().await;
    let page = envoi_client::api::messages::receipts(ann.client.session(), group, None).await.unwrap();
    let bobs = page.items.iter().find(|one| one.account_id == bob.id()).unwrap();
    assert_eq!((bobs.delivered_up_to, bobs.read_up_to), (MESSAGES + 1, MESSAGES + 1));
}
