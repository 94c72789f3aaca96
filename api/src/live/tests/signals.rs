//! Typing and presence.

use std::time::Duration;

use domain::AccountId;
use serde_json::{Value, json};

use super::super::Bounds;
use super::super::signals::{Signal, SignalKind, Status};
use super::site::{Client, Node, Person, Site};
use crate::limits::{LIVE_SIGNALS_PER_WINDOW_MAX, LIVE_SIGNALS_UNREAD_MAX};

/// Has the signals of many accounts of other nodes come in, so many that everything between here and a client would be full.
async fn flood(node: &Node, conversation_id: domain::ConversationId) {
    for number in 0..40_000_u32 {
        let account_id = AccountId::from_bytes(std::array::from_fn(|at| number.to_be_bytes()[at % 4]));
        let kind = SignalKind::Typing { active: true };
        node.state.live.hub.publish(Signal { account_id, conversations: vec![conversation_id], kind });
        if number % 500 == 0 {
            // As a relay brings them: not so many at once that most are lost before they are looked at.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// What comes up to the pong to a ping, which is answered behind all that came before.
async fn up_to_pong(client: &mut Client) -> Vec<Value> {
    client.say(json!({ "type": "ping", "id": "up to here" })).await;
    let mut frames = Vec::new();
    loop {
        let frame = client.next().await;
        if frame["type"] == "pong" {
            return frames;
        }
        frames.push(frame);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_and_nobody_else_learn_who_types() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob, eve) = (node.person().await, node.person().await, node.person().await);
    let group = node.group(&[&ann, &bob]).await;
    node.group(&[&ann, &eve]).await;
    let mut for_ann = node.connect_fully(&ann).await;
    let (mut for_bob, mut for_eve) = (node.connect_fully(&bob).await, node.connect_fully(&eve).await);
    let head = node.log.head().await.unwrap();
    for_ann.say(json!({ "type": "typing", "conversation_id": group, "active": true })).await;
    let expected =
        json!({ "type": "typing", "conversation_id": group, "account_id": ann.account_id, "active": true });
    assert_eq!(for_bob.next().await, expected);
    for_eve.say(json!({ "type": "typing", "conversation_id": group, "active": true })).await;
    assert_eq!(for_eve.next().await["problem"]["code"], "conversation_not_found");
    assert_eq!(node.log.head().await.unwrap(), head, "a signal is no event");
    node.mark(&ann).await;
    assert_eq!(for_ann.names_to_mark().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_share_a_conversation_learn_who_is_there() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob, eve) = (node.person().await, node.person().await, node.person().await);
    node.group(&[&ann, &bob]).await;
    let (mut for_ann, mut for_eve) = (node.connect_fully(&ann).await, node.connect_fully(&eve).await);
    for_eve.say(json!({ "type": "presence", "status": "online" })).await;
    let mut for_bob = node.connect(&bob).await;
    for_bob.say(json!({ "type": "presence", "status": "away" })).await;
    let presence = |status| json!({ "type": "presence", "account_id": bob.account_id, "status": status });
    assert_eq!(for_ann.next().await, presence("away"));
    // Whoever comes later is told.
    assert_eq!(node.connect(&ann).await.next().await, presence("away"));
    drop(for_bob);
    assert_eq!(for_ann.next().await, presence("offline"));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_signals_are_refused() {
    let site = Site::new().await;
    let node = site.node().await;
    let ann = node.person().await;
    let group = node.group(&[&ann]).await;
    let mut client = node.connect(&ann).await;
    for _ in 0..=LIVE_SIGNALS_PER_WINDOW_MAX {
        client.say(json!({ "type": "typing", "conversation_id": group, "active": true })).await;
    }
    assert_eq!(client.next().await["problem"]["code"], "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_signals_cuts_nobody_who_does_not_read_and_keeps_no_event() {
    let site = Site::new().await;
    let bounds = Bounds { heartbeat: Duration::from_millis(100), ..Bounds::default() };
    let node = site.node_within(bounds).await;
    let (ann, bob) = (node.person().await, node.person().await);
    let group = node.group(&[&ann, &bob]).await;
    let head = node.log.head().await.unwrap().position;
    node.state.live.hub.reached(head).await;
    let mut client = node.open_narrow(&bob).await;
    client.say(json!({ "type": "hello" })).await;
    assert_eq!(client.next().await["type"], "welcome");
    up_to_pong(&mut client).await;
    flood(&node, group).await;
    for _ in 0..50 {
        node.send(&ann, group, b"hello").await;
    }
    flood(&node, group).await;
    // Now it reads: all events, and of the signals those that were on their way when it stopped.
    let (mut numbers, mut signals) = (Vec::new(), 0);
    while numbers.len() < 50 {
        let frame = client.next().await;
        match frame["type"].as_str() {
            Some("event") => numbers.push(frame["event"]["data"]["number"].as_u64().unwrap()),
            Some("typing") => signals += 1,
            other => assert_eq!(other, Some("cursor")),
        }
    }
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    // It answered a ping or two while it read.
    assert!(signals <= 3 * LIVE_SIGNALS_UNREAD_MAX, "{signals} signals lay before the events");
    assert_eq!(node.state.metrics.live_closed.with_label_values(&["slow_consumer"]).get(), 0);
    node.mark(&bob).await;
    while client.next().await["event"]["name"] != "device.renamed" {}
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_is_neither_heard_nor_told_who_types() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob, eve) = (node.person().await, node.person().await, node.person().await);
    let group = node.group(&[&ann, &bob, &eve]).await;
    let (mut for_ann, mut for_bob) = (node.connect_fully(&ann).await, node.connect_fully(&bob).await);
    let mut for_eve = node.connect_fully(&eve).await;
    let left = node.leave(group, &bob).await;
    node.state.live.hub.reached(Some(left)).await;
    assert_eq!(for_eve.event().await["name"], "conversation.member_left");
    // Said by another node that does not know yet, by him, and by one who is still there.
    let kind = SignalKind::Typing { active: true };
    let of_bob = Signal { account_id: bob.account_id, conversations: vec![group], kind };
    node.state.live.hub.publish(of_bob);
    for_bob.say(json!({ "type": "typing", "conversation_id": group, "active": true })).await;
    for_ann.say(json!({ "type": "typing", "conversation_id": group, "active": true })).await;
    // Signals come in their order: had his been told, it would have come first.
    assert_eq!(for_eve.next().await["account_id"], json!(ann.account_id));
    for (client, person) in [(&mut for_ann, &ann), (&mut for_bob, &bob)] {
        assert!(typing(client, &node, person).await.is_empty());
    }
}

/// Who is said to type, of all that comes up to a mark.
async fn typing(client: &mut Client, node: &Node, person: &Person) -> Vec<Value> {
    node.mark(person).await;
    let mut typing = Vec::new();
    loop {
        let frame = client.next().await;
        if frame["event"]["name"] == "device.renamed" {
            return typing;
        }
        if frame["type"] == "typing" {
            typing.push(frame);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_waits_for_those_who_tell_how_they_are() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob) = (node.person().await, node.person().await);
    let group = node.group(&[&ann, &bob]).await;
    let mut client = node.connect_fully(&bob).await;
    // Nobody looks at signals or at who is here for now: events come and members go all the same.
    node.state.live.tasks[1].abort();
    for status in [Status::Away, Status::Online].repeat(5_000) {
        let kind = SignalKind::Presence { status };
        let (account_id, conversations) = (ann.account_id, vec![group]);
        node.state.live.hub.publish(Signal { account_id, conversations, kind });
    }
    node.send(&ann, group, b"hello").await;
    node.leave(group, &ann).await;
    assert_eq!(client.numbers(1).await, [1]);
    assert_eq!(client.event().await["name"], "conversation.member_left");
    node.connect(&ann).await;
}
