//! Events come in order, each once, to those who see them.

use domain::Actor;
use eventstore_schema::Position;
use eventstore_schema::keyring::{Destruction, KeyName};
use serde_json::json;

use super::site::{ORGANIZATION, Site};

#[tokio::test(flavor = "multi_thread")]
async fn members_see_every_message_in_order() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob) = (node.person().await, node.person().await);
    let group = node.group(&[&ann, &bob]).await;
    let (mut for_ann, mut for_bob) = (node.connect(&ann).await, node.connect(&bob).await);
    let sends = (0..40).map(|at| {
        let (node, from) = (&node, if at % 2 == 0 { &ann } else { &bob });
        async move { node.send(from, group, b"hello").await }
    });
    let (ann_saw, bob_saw, _) =
        tokio::join!(for_ann.numbers(40), for_bob.numbers(40), futures_util::future::join_all(sends));
    assert_eq!(ann_saw, (1..=40).collect::<Vec<_>>());
    assert_eq!(bob_saw, ann_saw);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_has_the_documented_shape() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob) = (node.person().await, node.person().await);
    let group = node.group(&[&ann, &bob]).await;
    let mut client = node.connect(&bob).await;
    node.send(&ann, group, b"hello").await;
    let event = client.event().await;
    let message_id = event["data"]["message_id"].clone();
    let at = event["at"].clone();
    assert!(at.as_i64().unwrap() > 1_700_000_000_000_000);
    assert_eq!(
        event,
        json!({
            "name": "conversation.message_sent",
            "schema": 1,
            "version": 1,
            "organization_id": ORGANIZATION,
            "conversation_id": group,
            "revision": 3,
            "at": at,
            "actor": { "kind": "account", "id": ann.account_id },
            "data": {
                "conversation_id": group, "message_id": message_id, "number": 1, "sender_id": ann.account_id,
                "device_id": ann.device_id, "generation": 0, "encrypted": false, "reply_to": null,
            },
            "sealed": null,
            "resource": {
                "number": 1, "message_id": message_id, "sender_id": ann.account_id, "device_id": ann.device_id,
                "generation": 0, "encrypted": false, "content": "aGVsbG8", "cipher": null, "erased": false,
                "reply_to": null, "sent_at": at, "edited_at": null, "deleted_at": null, "deleted_by": null,
                "pinned": false,
            },
            "erased": false,
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_member_sees_nothing() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, eve) = (node.person().await, node.person().await);
    let group = node.group(&[&ann]).await;
    let (mut for_ann, mut for_eve) = (node.connect(&ann).await, node.connect(&eve).await);
    for _ in 0..5 {
        node.send(&ann, group, b"secret").await;
    }
    node.mark(&eve).await;
    assert_eq!(for_eve.names_to_mark().await, Vec::<String>::new());
    assert_eq!(for_ann.numbers(5).await, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_sees_from_the_join_on_and_who_leaves_nothing_behind_the_leave() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob) = (node.person().await, node.person().await);
    let group = node.group(&[&ann]).await;
    let mut client = node.connect(&bob).await;
    let start = client.cursor();
    node.send(&ann, group, b"before").await;
    node.join(group, &bob).await;
    node.send(&ann, group, b"between").await;
    node.leave(group, &bob).await;
    node.send(&ann, group, b"after").await;
    node.mark(&bob).await;
    let seen = ["conversation.member_joined", "conversation.message_sent", "conversation.member_left"];
    assert_eq!(client.names_to_mark().await, seen);
    // The same from memory, and on a node that has to read the log and the memberships as they are by now.
    for node in [&node, &site.node().await] {
        let mut again = node.resume(&bob, &start).await;
        assert_eq!(again.next().await["type"], "welcome");
        assert_eq!(again.names_to_mark().await, seen);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_secret_stays_on_the_server() {
    let site = Site::new().await;
    let node = site.node().await;
    let ann = node.person().await;
    let mut client = node.connect(&ann).await;
    let other = domain::session::SessionStarted {
        session_id: node.state.clock.new_id(),
        account_id: ann.account_id,
        device_id: None,
        refresh_hash: domain::Digest::from_bytes([7; 32]),
        expires_at: node.state.clock.now(),
        password_revision: 0,
    };
    let origin = domain::session::SessionOrigin { ip: Some("192.0.2.1".to_owned()), user_agent: None };
    let stream = eventstore_schema::StreamId::new(domain::Category::Session, other.session_id);
    let session_id = other.session_id;
    node.write(stream, None, Actor::ANONYMOUS, vec![(other.into(), Some(origin.into()))]).await;
    let event = client.event().await;
    assert_eq!(event["data"]["session_id"], json!(session_id));
    let blank = domain::Digest::from_bytes([0; 32]);
    assert_eq!(event["data"]["refresh_hash"], json!(blank));
    assert_eq!(event["sealed"]["ip"], "192.0.2.1");
    assert_eq!(event["actor"], json!({ "kind": "anonymous", "id": null }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_is_shown_as_such_also_when_it_was_shown_before() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob) = (node.person().await, node.person().await);
    let group = node.group(&[&ann, &bob]).await;
    let mut client = node.connect(&bob).await;
    let start = client.cursor();
    node.send(&ann, group, b"hello").await;
    assert_eq!(client.event().await["resource"]["content"], "aGVsbG8");
    let destruction = Destruction { position: Position::new(9), at: node.state.clock.now() };
    let key = KeyName::Subject(ann.account_id.into());
    node.state.sealer.keyring().destroy(key, destruction).await.unwrap();
    let mut again = node.resume(&bob, &start).await;
    assert_eq!(again.next().await["type"], "welcome");
    let event = again.event().await;
    assert_eq!(
        (&event["data"]["number"], &event["resource"]["content"], &event["erased"]),
        (&json!(1), &json!(null), &json!(true))
    );
}
