//! Device ids are chosen by clients: somebody else's can be copied, which gives nothing and takes nothing.

use domain::conversation::ConversationRole;
use domain::device::DeviceRevocationCause;
use domain::organization::OrganizationRole;
use domain::{AccountDevice, AccountRecipient, ConversationId, DeviceId};
use envoi_client::api::dto::NewGroup;
use envoi_client::e2ee::{Content, DeviceKeys};
use envoi_client::edge;
use envoi_client::live::{Incoming, Live};
use envoi_client::messages::Body;
use tests::person::{CHEAP, PASSPHRASE, Person};
use tests::server::{PATIENCE, TestServer, until};

/// Somebody whose device has an id of their choice, under keys of their own.
async fn with_device_id(server: &TestServer, name: &str, device_id: DeviceId) -> Person {
    let person = Person::register(server, name).await;
    let device = DeviceKeys::generate(person.id(), device_id, &mut edge::random());
    person.client.session().store().update(|state| state.set_device(&device)).expect("kept");
    person.client.set_up(PASSPHRASE, CHEAP, "copy").await.expect("a device");
    assert_eq!(person.client.device_id(), Some(device_id));
    person
}

fn recipient(person: &Person) -> AccountRecipient {
    AccountDevice::new(person.id(), person.client.device_id().expect("a device")).into()
}

/// Whether the person's device is in the conversation, and waits for its key.
async fn waits(asked: &Person, group: ConversationId, key: AccountRecipient) -> Option<bool> {
    let roster = asked.client.conversations().roster(group).await.expect("a roster");
    roster.recipients.iter().find(|one| one.account_recipient() == key).map(|one| one.waiting)
}

async fn hears(live: &mut Live, expected: &str) {
    let next = async {
        loop {
            match live.next().await.expect("the stream goes on") {
                Incoming::Event(happening) => {
                    if let Some(Body::Encrypted { content: Content::Text { text }, .. }) = happening.body
                        && text == expected
                    {
                        return;
                    }
                }
                Incoming::Connected => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, next).await.expect("the message comes");
}

#[tokio::test]
async fn who_copies_a_colleagues_device_id_and_revokes_it_shuts_nobody_out() {
    let server = TestServer::start().await;
    let (ann, bob) = tokio::join!(Person::with_device(&server, "ann"), Person::with_device(&server, "bob"));
    let eve = with_device_id(&server, "eve", ann.client.device_id().unwrap()).await;
    let organization = bob.client.create_organization("Acme").await.unwrap();
    bob.bring(organization, &ann, OrganizationRole::Member).await;
    bob.bring(organization, &eve, OrganizationRole::Member).await;
    let (anns, eves) = (recipient(&ann), recipient(&eve));
    assert_eq!(anns.recipient_id, eves.recipient_id);

    // Where the copy is already, the owner can still be added.
    let new = NewGroup { members: vec![eve.id()], ..NewGroup::default() };
    let group = bob.client.create_group(organization, &new).await.unwrap();
    eve.client.send_text(group, "before ann").await.unwrap();
    bob.client.add_member(group, ann.id(), ConversationRole::Member).await.unwrap();
    for key in [anns, eves] {
        assert_eq!(waits(&bob, group, key).await, Some(false), "both have a wrap of their own");
    }
    until(async || ann.client.send_text(group, "from ann").await.ok()).await;
    server.settled().await;
    for reader in [&ann, &bob, &eve] {
        let read = reader.client.latest(group, 10).await.unwrap();
        let texts: Vec<_> = read.iter().map(|message| message.body.text()).collect();
        // What was before she joined is not shown to her.
        let shown = if reader.id() == ann.id() {
            &[Some("from ann")][..]
        } else {
            &[Some("before ann"), Some("from ann")]
        };
        assert_eq!(texts, shown, "{}", reader.email);
        assert_eq!(read.last().unwrap().sender_id, ann.id());
    }
    // Each has read as far as they say themselves.
    let sent = bob.client.send_text(group, "to both").await.unwrap();
    ann.client.record_receipt(group, sent.number, sent.number).await.unwrap();
    server.settled().await;
    let deliveries = format!("/v1/conversations/{group}/messages/{}/deliveries", sent.number);
    let items = bob.http().await.get(&deliveries).await.expect(200).json["items"].clone();
    let state = |person: &Person| {
        let its = items.as_array().unwrap().iter().find(|one| one["account_id"] == person.id().to_string());
        its.map(|one| one["state"].as_str().unwrap().to_owned())
    };
    assert_eq!((state(&ann), state(&eve)), (Some("read".to_owned()), Some("sent".to_owned())));

    let mut live = ann.client.live(None);
    assert!(matches!(live.next().await, Some(Incoming::Connected)));
    let (http, copied) = (ann.http().await, eve.http().await);
    eve.client.revoke_device(eve.client.device_id().unwrap(), DeviceRevocationCause::Lost).await.unwrap();
    assert_eq!(copied.get("/v1/me").await.status, 401, "the copy is revoked");
    http.get("/v1/me").await.expect(200);
    until(async || waits(&bob, group, eves).await.is_none().then_some(())).await;
    assert_eq!(waits(&bob, group, anns).await, Some(false));
    until(async || bob.client.send_text(group, "without the copy").await.ok()).await;
    hears(&mut live, "without the copy").await;
    until(async || ann.client.send_text(group, "still here").await.ok()).await;
    http.get("/v1/me").await.expect(200);
    server.settled().await;
    let last = bob.client.latest(group, 1).await.unwrap();
    assert_eq!(last[0].body.text(), Some("still here"));
}
