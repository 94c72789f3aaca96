//! The live stream through the SDK over a whole journey: whatever a client is sent, one of the same version can read.

use std::collections::BTreeSet;

use domain::device::DeviceRevocationCause;
use domain::organization::OrganizationRole;
use domain::{ConversationId, EventGroup};
use envoi_client::api::dto::NewGroup;
use envoi_client::live::{Incoming, Live};
use envoi_client::{Client, Keep, Server};
use serde_json::json;
use tests::http::Http;
use tests::person::{CHEAP, PASSPHRASE, PASSWORD, Person};
use tests::server::{PATIENCE, TestServer, until};

/// Events that go to clients and are not met on this journey: they come after failures, or before anybody listens.
const NOT_MET: &[&str] = &["account.email_confirmed", "account.login_locked", "conversation.wrap_reported"];

/// Names of the events that go to somebody, from the documentation.
fn documented() -> BTreeSet<String> {
    let rows = include_str!("../../../ops/docs/live.md").lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once("` | "))
        .filter(|(name, who)| name.contains('.') && *who != "nobody |")
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Takes in everything up to the event called `last`, the nth of its name.
async fn met(live: &mut Live, last: &str, mut nth: usize) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let take = async {
        loop {
            match live.next().await.expect("the stream goes on") {
                Incoming::Event(happening) => {
                    names.insert(happening.event.name().to_owned());
                    nth -= usize::from(happening.event.name() == last);
                    if nth == 0 {
                        return;
                    }
                }
                Incoming::Unreadable { name, .. } => panic!("{name} cannot be read"),
                Incoming::Reset(reason) => panic!("reset: {reason:?}"),
                Incoming::Connected
                | Incoming::Disconnected
                | Incoming::Missed(_)
                | Incoming::Synced(_)
                | Incoming::Typing { .. }
                | Incoming::Presence { .. }
                | Incoming::LoggedOut => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, take).await.unwrap_or_else(|_| panic!("{last} never came"));
    names
}

async fn connected(client: &Client) -> Live {
    let mut live = client.live(None);
    assert!(matches!(live.next().await, Some(Incoming::Connected)));
    live
}

async fn put(http: &Http, path: &str, body: serde_json::Value) {
    let answer = http.put(path, &body).await;
    assert!(answer.status < 300, "{path}: {}", answer.json);
}

async fn delete(http: &Http, path: &str) {
    let answer = http.delete(path).await;
    assert!(answer.status < 300, "{path}: {}", answer.json);
}

/// Everything that members do in a conversation.
async fn talk(ann: &Person, ben: &Person, id: ConversationId) {
    let (client, http) = (&ann.client, ann.http().await);
    let sent = client.send_text(id, "hello").await.unwrap();
    client.edit_text(id, sent.number, sent.message_id, "hello, Ben").await.unwrap();
    ben.client.messages().react(id, sent.number, 0, "🎉").await.unwrap();
    ben.client.record_receipt(id, sent.number, sent.number).await.unwrap();
    delete(&ben.http().await, &format!("/v1/conversations/{id}/messages/{}/reactions/0", sent.number)).await;
    let pin = format!("/v1/conversations/{id}/messages/{}/pin", sent.number);
    put(&http, &pin, json!({})).await;
    delete(&http, &pin).await;
    client.delete_message(id, sent.number).await.unwrap();
    put(&http, &format!("/v1/conversations/{id}/title"), json!({ "title": "Plans", "topic": null })).await;
    client.change_history_visibility(id, domain::conversation::HistoryVisibility::All).await.unwrap();
    let ben_here = format!("/v1/conversations/{id}/members/{}", ben.id());
    put(&http, &ben_here, json!({ "role": "admin" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_that_comes_can_be_read() {
    let server = TestServer::start().await;
    let ann = Person::register(&server, "ann").await;
    let mut anns = connected(&ann.client).await;
    ann.client.set_up(PASSPHRASE, CHEAP, "first").await.unwrap();
    let ben = Person::with_device(&server, "ben").await;
    let http = ann.http().await;
    put(&http, "/v1/me/profile", json!({ "display_name": "Ann Archer", "locale": "en" })).await;
    put(&http, "/v1/me/metadata", json!({ "phone": "+442079460000", "address": null })).await;

    let organization = ann.client.create_organization("Archers").await.unwrap();
    ann.bring(organization, &ben, OrganizationRole::Member).await;
    let member = format!("/v1/organizations/{organization}/members/{}", ben.id());
    let mut bens = connected(&ben.client).await;
    put(&http, &member, json!({ "role": "admin" })).await;
    let workspace = ann.client.create_workspace(organization, "Range").await.unwrap();
    let people = format!("/v1/workspaces/{workspace}/members");
    http.post(&people, &json!({ "account_id": ben.id(), "role": "member" })).await.expect(204);
    put(&http, &format!("{people}/{}", ben.id()), json!({ "role": "admin" })).await;

    let new = NewGroup { title: Some("Plans".to_owned()), members: vec![ben.id()], ..NewGroup::default() };
    let id = ann.client.create_group(organization, &new).await.unwrap();
    talk(&ann, &ben, id).await;
    // A second device, which waits for its key, gets it, is renamed and revoked.
    let second = Server::new(&server.url()).unwrap();
    let second = second.login(&ann.email, PASSWORD, Keep::Memory).await.unwrap();
    second.set_up(PASSPHRASE, CHEAP, "second").await.unwrap();
    let device = second.device_id().unwrap();
    let here = async || {
        let roster = ann.client.conversations().roster(id).await.unwrap();
        let mut recipients = roster.recipients.into_iter();
        recipients.find(|one| one.recipient.recipient_id == device.into())
    };
    until(async || {
        ann.client.conversations().give_wraps(id).await.ok()?;
        here().await.filter(|one| !one.waiting)
    })
    .await;
    until(async || second.send_text(id, "from elsewhere").await.ok()).await;
    put(&http, &format!("/v1/me/devices/{device}"), json!({ "name": "tablet" })).await;
    ann.client.revoke_device(device, DeviceRevocationCause::Requested).await.unwrap();
    until(async || here().await.is_none().then_some(())).await;
    until(async || ann.client.send_text(id, "without it").await.ok()).await;

    let direct = ann.client.open_direct(organization, ben.id()).await.unwrap();
    delete(&http, &format!("/v1/conversations/{direct}")).await;
    ann.client.open_direct(organization, ben.id()).await.unwrap();

    ann.client.remove_member(id, ben.id()).await.unwrap();
    delete(&http, &format!("{people}/{}", ben.id())).await;
    delete(&http, &member).await;
    delete(&http, &format!("/v1/conversations/{id}")).await;
    let there = NewGroup { workspace_id: Some(workspace), ..NewGroup::default() };
    ann.client.create_group(organization, &there).await.unwrap();
    http.post(&format!("/v1/workspaces/{workspace}/archive"), &json!({})).await.expect(204);
    put(&http, "/v1/me/profile", json!({ "display_name": "The end", "locale": "en" })).await;
    let mut names = met(&mut anns, "account.profile_changed", 2).await;
    names.append(&mut met(&mut bens, "organization.member_removed", 1).await);
    let expected = documented();
    assert!(expected.len() > 30);
    let missing: Vec<_> =
        expected.iter().filter(|name| !names.contains(*name) && !NOT_MET.contains(&name.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new());
}
