//! Typing and presence.

use serde_json::json;

use super::site::Site;
use crate::limits::LIVE_SIGNALS_PER_WINDOW_MAX;

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
