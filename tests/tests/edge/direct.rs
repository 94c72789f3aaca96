//! A direct conversation ends and begins anew.

use domain::device::DeviceRevocationCause;
use domain::organization::OrganizationRole;
use envoi_client::{Keep, Server};
use tests::person::{CHEAP, PASSPHRASE, PASSWORD, Person};
use tests::server::{TestServer, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_direct_conversation_is_opened_again_without_its_past() {
    let server = TestServer::start().await;
    let (ann, bob) = tokio::join!(Person::with_device(&server, "ann"), Person::with_device(&server, "bob"));
    let organization = ann.client.create_organization("Acme").await.unwrap();
    ann.bring(organization, &bob, OrganizationRole::Member).await;
    let id = ann.client.open_direct(organization, bob.id()).await.unwrap();
    let receipts = async |by: &Person| {
        let page = envoi_client::api::messages::receipts(by.client.session(), id, None).await.unwrap();
        let rows = page.items.into_iter().map(|one| (one.account_id, (one.delivered_up_to, one.read_up_to)));
        rows.collect::<std::collections::BTreeMap<_, _>>()
    };
    let past = ann.client.send_text(id, "to be forgotten").await.unwrap();
    server.settled().await;
    let before = bob.client.latest(id, 10).await.unwrap();
    assert_eq!(before[0].body.text(), Some("to be forgotten"));
    assert_eq!(receipts(&ann).await[&bob.id()], (0, 0));
    bob.client.record_receipt(id, past.number, 0).await.unwrap();
    server.settled().await;
    assert_eq!(receipts(&ann).await[&bob.id()], (past.number, 0));
    let path = format!("/v1/conversations/{id}");
    let (anns, bobs) = (ann.http().await, bob.http().await);
    bobs.delete(&path).await.expect(204);
    anns.get(&path).await.refused(404, "conversation_not_found");

    // Meanwhile Bob gets another device instead of his first one.
    let second = Server::new(&server.url()).unwrap();
    let second = second.login(&bob.email, PASSWORD, Keep::Memory).await.unwrap();
    second.set_up(PASSPHRASE, CHEAP, "second").await.unwrap();
    second.revoke_device(bob.client.device_id().unwrap(), DeviceRevocationCause::Lost).await.unwrap();

    assert_eq!(ann.client.open_direct(organization, bob.id()).await.unwrap(), id);
    assert_eq!(second.open_direct(organization, ann.id()).await.unwrap(), id);
    server.settled().await;
    let shown = anns.get(&path).await.expect(200);
    assert_eq!((shown.json["last_number"].as_u64(), shown.json["read_up_to"].as_u64()), (Some(1), Some(1)));
    let messages = anns.get(&format!("{path}/messages")).await.expect(200);
    assert_eq!(messages.json["items"].as_array().unwrap().len(), 0);
    anns.get(&format!("{path}/messages/{}", past.number)).await.refused(404, "message_not_found");

    let sent = until(async || ann.client.send_text(id, "a new page").await.ok()).await;
    assert_eq!(sent.number, past.number + 1);
    server.settled().await;
    let now = second.latest(id, 10).await.unwrap();
    assert_eq!(now.iter().map(|message| message.body.text()).collect::<Vec<_>>(), [Some("a new page")]);
}
