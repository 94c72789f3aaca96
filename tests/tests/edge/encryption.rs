//! What the server enforces about end-to-end encryption, seen from outside.

use domain::conversation::{ConversationRole, Suite, Wrap};
use domain::organization::OrganizationRole;
use domain::{AccountRecipient, ConversationId, OrganizationId};
use envoi_client::api::dto::{NewGroup, OwnedRecipient, Roster};
use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::person::Person;
use tests::server::TestServer;
use uuid::Uuid;

struct Talk {
    server: TestServer,
    ann: Person,
    bob: Person,
    organization: OrganizationId,
    group: ConversationId,
}

/// Two people with a device each in one group, nothing committed yet.
async fn talk() -> Talk {
    let server = TestServer::start().await;
    let (ann, bob) = tokio::join!(Person::with_device(&server, "ann"), Person::with_device(&server, "bob"));
    let organization = ann.client.create_organization("Acme").await.unwrap();
    ann.bring(organization, &bob, OrganizationRole::Member).await;
    let new = NewGroup { members: vec![bob.id()], ..NewGroup::default() };
    let group = ann.client.create_group(organization, &new).await.unwrap();
    Talk { server, ann, bob, organization, group }
}

/// A wrap that is well-formed but signed by nobody.
fn forged(recipient: AccountRecipient) -> Value {
    let zeros = |bytes: usize| domain::Blob::new(vec![0; bytes]);
    let AccountRecipient { account_id, recipient_id } = recipient;
    json!({ "account_id": account_id, "recipient_id": recipient_id, "encapsulated_key": zeros(32), "ciphertext": zeros(80), "signature": zeros(64) })
}

async fn commit(http: &Http, group: ConversationId, roster: &Value, wraps: Vec<Value>) -> Answer {
    let body = json!({
        "generation": roster["generation"].as_u64().unwrap() + 1,
        "suite": Suite::X25519Siv,
        "transcript": roster["next_transcript"],
        "wraps": wraps,
    });
    http.post(&format!("/v1/conversations/{group}/generations"), &body).await
}

async fn send(http: &Http, group: ConversationId, generation: u32) -> Answer {
    let zeros = |bytes: usize| domain::Blob::new(vec![0; bytes]);
    let cipher = json!({ "nonce": zeros(16), "commitment": zeros(32), "signature": zeros(64) });
    let body = json!({ "generation": generation, "content": zeros(64), "cipher": cipher });
    http.post(&format!("/v1/conversations/{group}/messages"), &body).await
}

#[tokio::test]
async fn nothing_is_sent_before_a_generation_or_under_an_old_one() {
    let Talk { server: _server, ann, bob, group, .. } = talk().await;
    let http = bob.http().await;
    let refused = send(&http, group, 1).await.refused(409, "stale_generation");
    assert_eq!((&refused.json["current"], &refused.json["commit_required"]), (&json!(0), &json!(true)));
    ann.client.send_text(group, "first").await.unwrap();
    send(&http, group, 1).await.expect(201);
    send(&http, group, 2).await.refused(409, "stale_generation");
    ann.client.remove_member(group, bob.id()).await.unwrap();
    send(&http, group, 1).await.refused(404, "conversation_not_found");
    let refused = send(&ann.http().await, group, 1).await.refused(409, "stale_generation");
    assert_eq!((&refused.json["current"], &refused.json["commit_required"]), (&json!(1), &json!(true)));
    ann.client.send_text(group, "alone").await.unwrap();
}

#[tokio::test]
async fn a_generation_is_wrapped_for_exactly_the_recipients() {
    let Talk { server: _server, ann, group, .. } = talk().await;
    let http = ann.http().await;
    let roster = http.get(&format!("/v1/conversations/{group}/recipients")).await.expect(200).json;
    let ids: Vec<AccountRecipient> = serde_json::from_value::<Roster>(roster.clone())
        .unwrap()
        .recipients
        .iter()
        .map(OwnedRecipient::account_recipient)
        .collect();
    assert_eq!(ids.len(), 4);
    let stranger = AccountRecipient::new(Uuid::now_v7().into(), ids[0].recipient_id);
    let wraps = [&ids[1..], &[stranger]].concat().into_iter().map(forged).collect();
    let refused = commit(&http, group, &roster, wraps).await.refused(409, "wraps_mismatch");
    assert_eq!(refused.json["missing_recipients"], json!([ids[0]]));
    assert_eq!(refused.json["extra_recipients"], json!([stranger]));
    let all = || ids.iter().copied().map(forged).collect();
    commit(&http, group, &roster, all()).await.refused(422, "wrap_invalid");
    let mut elsewhere = roster.clone();
    elsewhere["next_transcript"] = json!(domain::Digest::from_bytes([9; 32]));
    commit(&http, group, &elsewhere, all()).await.refused(409, "transcript_mismatch");
    let after = http.get(&format!("/v1/conversations/{group}/recipients")).await.expect(200).json;
    assert_eq!(after, roster);
}

#[tokio::test]
async fn of_two_first_commits_one_wins() {
    let Talk { server: _server, ann, bob, group, .. } = talk().await;
    let (one, other) =
        tokio::join!(ann.client.send_text(group, "from ann"), bob.client.send_text(group, "from bob"));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one.number, other.number);
    let http = ann.http().await;
    let roster = http.get(&format!("/v1/conversations/{group}/recipients")).await.expect(200).json;
    assert_eq!(roster["generation"], 1);
    let late = json!({ "generation": 0, "next_transcript": roster["next_transcript"] });
    let refused = commit(&http, group, &late, Vec::new()).await.refused(409, "generation_conflict");
    assert_eq!(refused.json["current"], 1);
}

#[tokio::test]
async fn a_deleted_conversation_takes_nothing() {
    let Talk { server, ann, bob, group, .. } = talk().await;
    ann.client.send_text(group, "hello").await.unwrap();
    ann.http().await.delete(&format!("/v1/conversations/{group}")).await.expect(204);
    send(&bob.http().await, group, 1).await.refused(409, "conversation_deleted");
    let http = ann.http().await;
    http.delete(&format!("/v1/conversations/{group}")).await.refused(409, "conversation_deleted");
    server.settled().await;
    http.get(&format!("/v1/conversations/{group}")).await.refused(404, "conversation_not_found");
}

#[tokio::test]
async fn a_session_without_device_sends_nothing() {
    let Talk { server, ann, bob: _bob, group, .. } = talk().await;
    let body = json!({ "email": ann.email, "password": tests::person::PASSWORD });
    let tokens = server.http().post("/v1/sessions", &body).await.expect(200).json;
    let http = server.http().with_token(tokens["access_token"].as_str().unwrap());
    send(&http, group, 1).await.refused(403, "device_required");
}

#[tokio::test]
async fn clear_text_is_refused_where_it_is_not_allowed() {
    let Talk { server: _server, ann, group, .. } = talk().await;
    let body = json!({ "generation": 0, "content": domain::Blob::new(b"clear".to_vec()), "cipher": null });
    let answer = ann.http().await.post(&format!("/v1/conversations/{group}/messages"), &body).await;
    answer.refused(403, "plaintext_refused");
}

#[tokio::test]
async fn a_message_is_named_by_its_idempotency_key() {
    let Talk { server: _server, ann, group, .. } = talk().await;
    ann.client.send_text(group, "hello").await.unwrap();
    let http = ann.http().await;
    let path = format!("/v1/conversations/{group}/messages");
    let zeros = |bytes: usize| domain::Blob::new(vec![0; bytes]);
    let cipher = json!({ "nonce": zeros(16), "commitment": zeros(32), "signature": zeros(64) });
    let body = json!({ "generation": 1, "content": zeros(64), "cipher": cipher });
    http.post_keyed(&path, &body, "no-uuid").await.refused(400, "invalid_header");
    let id = Uuid::now_v7().to_string();
    let sent = http.post_keyed(&path, &body, &id).await.expect(201);
    assert_eq!((&sent.json["message_id"], &sent.json["number"]), (&json!(id), &json!(2)));
    let again = http.post_keyed(&path, &body, &id).await.expect(201);
    assert_eq!((again.header("idempotency-replayed"), &again.json), ("true", &sent.json));
}

#[tokio::test]
async fn members_read_what_was_sent_and_how_far_it_came() {
    let Talk { server, ann, bob, group, organization } = talk().await;
    ann.client.send_text(group, "hello bob").await.unwrap();
    server.settled().await;
    let read = bob.client.latest(group, 10).await.unwrap();
    assert_eq!(read[0].body.text(), Some("hello bob"));
    let http = bob.http().await;
    let receipt = json!({ "delivered_up_to": 1, "read_up_to": 1 });
    http.post(&format!("/v1/conversations/{group}/receipts"), &receipt).await.expect(204);
    http.put(&format!("/v1/conversations/{group}/messages/1/pin"), &json!({})).await.expect(204);
    server.settled().await;
    let deliveries = http.get(&format!("/v1/conversations/{group}/messages/1/deliveries")).await.expect(200);
    let states: Vec<_> =
        deliveries.json["items"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert!(states.contains(&&json!("read")), "{states:?}");
    let pins = http.get(&format!("/v1/conversations/{group}/pins")).await.expect(200);
    assert_eq!(pins.json["items"][0]["number"], 1);
    let list = http.get(&format!("/v1/organizations/{organization}/conversations")).await.expect(200);
    assert_eq!(
        (&list.json["items"][0]["last_number"], &list.json["items"][0]["read_up_to"]),
        (&json!(1), &json!(1))
    );
    let generations = http.get(&format!("/v1/conversations/{group}/generations")).await.expect(200);
    assert_eq!(generations.json["items"].as_array().unwrap().len(), 1);
    ann.client.delete_message(group, 1).await.unwrap();
    server.settled().await;
    let message = http.get(&format!("/v1/conversations/{group}/messages/1")).await.expect(200);
    assert_eq!((&message.json["content"], message.json["deleted_at"].is_null()), (&Value::Null, false));
}

#[tokio::test]
async fn roles_in_a_group_bind_its_members() {
    let Talk { server: _server, ann, bob, group, .. } = talk().await;
    let path = format!("/v1/conversations/{group}/title");
    let title = json!({ "title": "Ours", "topic": null });
    bob.http().await.put(&path, &title).await.refused(403, "role_insufficient");
    let role = json!({ "role": ConversationRole::Admin });
    let member = format!("/v1/conversations/{group}/members/{}", bob.id());
    ann.http().await.put(&member, &role).await.expect(204);
    bob.http().await.put(&path, &title).await.expect(204);
}

// The type of wraps as the domain has them reads what the API shows.
#[tokio::test]
async fn own_wraps_read_as_the_domain_has_them() {
    let Talk { server, ann, bob, group, .. } = talk().await;
    ann.client.send_text(group, "hello").await.unwrap();
    server.settled().await;
    let wraps =
        bob.http().await.get(&format!("/v1/conversations/{group}/wraps?generation=1")).await.expect(200);
    let items = wraps.json["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    for item in items {
        let wrap = serde_json::from_value::<Wrap>(item.clone()).unwrap();
        assert_eq!((wrap.account_id, &item["sender_id"]), (bob.id(), &json!(ann.id())));
    }
}
