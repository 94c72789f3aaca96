//! What clients send up: commands, nonsense, too much.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::site::{Came, Site};
use crate::limits::{LIVE_BAD_FRAMES_MAX, LIVE_FRAME_BYTES_MAX};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_sent_and_acknowledged_on_the_socket() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob, eve) = (node.person().await, node.person().await, node.person().await);
    let group = node.group(&[&ann, &bob]).await;
    let (mut client, mut other) = (node.connect(&ann).await, node.connect(&bob).await);
    let message_id: uuid::Uuid = node.state.clock.new_id();
    let send = json!({ "type": "send", "id": "1", "conversation_id": group, "message_id": message_id,
        "body": { "generation": 0, "content": "aGVsbG8", "cipher": null } });
    client.say(send.clone()).await;
    let (mut result, mut event) = (client.next().await, client.next().await);
    if result["type"] == "event" {
        (result, event) = (event, result);
    }
    assert_eq!((result["type"].as_str(), result["id"].as_str()), (Some("result"), Some("1")));
    assert_eq!((&result["status"], &result["body"]["number"]), (&json!(201), &json!(1)));
    assert_eq!(result["position"], event["cursor"]);
    assert_eq!(other.numbers(1).await, [1]);
    // The same once more is the same.
    client.say(send.clone()).await;
    let again = client.next().await;
    assert_eq!((&again["body"], &again["replayed"]), (&result["body"], &json!(true)));
    // Over the way of any other command as well.
    let receipt = json!({ "delivered_up_to": 1, "read_up_to": 1 });
    other.say(json!({ "type": "receipt", "id": "r", "conversation_id": group, "body": receipt })).await;
    other.next().await;
    let event = client.event().await;
    assert_eq!(
        (&event["name"], &event["data"]["read_up_to"]),
        (&json!("conversation_member.receipt_recorded"), &json!(1))
    );
    client
        .say(json!({ "type": "command", "id": "p", "invocation": { "command": "messages.pin_message",
            "path": { "conversation_id": group, "number": 1 } } }))
        .await;
    let frames = [client.next().await, client.next().await];
    assert!(frames.iter().any(|frame| frame["id"] == "p" && frame["type"] == "result"), "{frames:?}");
    // A stranger learns what a stranger learns over HTTP.
    let mut stranger = node.connect(&eve).await;
    stranger.say(send).await;
    let problem = stranger.next().await;
    assert_eq!((problem["type"].as_str(), problem["id"].as_str()), (Some("problem"), Some("1")));
    assert_eq!(problem["problem"]["code"], "conversation_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_none_are_refused_and_then_the_socket() {
    let site = Site::new().await;
    let node = site.node().await;
    let ann = node.person().await;
    let mut client = node.connect(&ann).await;
    let named = |rest: &str| Message::text(format!(r#"{{"id":"7",{rest}}}"#));
    let bad = [
        (Message::text("nope"), json!(null)),
        (named(r#""type":"nonsense""#), json!("7")),
        (named(r#""type":"ping","more":1"#), json!("7")),
        (named(r#""type":"receipt","conversation_id":1,"body":{}"#), json!("7")),
        (Message::text(r#"{"type":"ping","id":""}"#), json!(null)),
        (Message::text(r#"{"type":"typing","active":true}"#), json!(null)),
        (Message::text(r#"{"type":"hello"}"#), json!(null)),
        (Message::binary(vec![1, 2, 3]), json!(null)),
    ];
    for (message, id) in bad {
        client.raw(message).await;
        let refused = client.next().await;
        assert_eq!((&refused["type"], &refused["id"]), (&json!("problem"), &id), "{refused}");
        // A good one in between: the client is not broken.
        client.say(json!({ "type": "ping", "id": "1" })).await;
        assert_eq!(client.next().await, json!({ "type": "pong", "id": "1" }));
    }
    for _ in 0..LIVE_BAD_FRAMES_MAX {
        client.raw(Message::text("nope")).await;
        assert_eq!(client.next().await["problem"]["code"], "malformed_json");
    }
    assert_eq!(client.came().await, Came::Closed(4400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_is_too_large_is_refused() {
    let site = Site::new().await;
    let node = site.node().await;
    let ann = node.person().await;
    let mut client = node.connect(&ann).await;
    client.raw(Message::text("x".repeat(LIVE_FRAME_BYTES_MAX + 1))).await;
    assert_eq!(client.next().await["problem"]["code"], "body_too_large");
    assert_eq!(client.came().await, Came::Closed(1009));
}

#[tokio::test(flavor = "multi_thread")]
async fn something_else_than_hello_comes_first_in_vain() {
    let site = Site::new().await;
    let node = site.node().await;
    let ann = node.person().await;
    let mut client = node.open(&ann).await;
    client.say(json!({ "type": "ping", "id": "1" })).await;
    let problem = client.next().await;
    assert_eq!((&problem["id"], &problem["problem"]["field"]), (&json!("1"), &json!("type")));
    client.say(json!({ "type": "hello" })).await;
    assert_eq!(client.next().await["type"], "welcome");
}
