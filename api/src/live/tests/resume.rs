//! A client that was away gets all that it missed, each once, or is told to read anew.

use std::sync::Arc;
use std::time::Duration;

use eventstore_schema::{Incarnation, Position};
use serde_json::{Value, json};

use super::super::Bounds;
use super::few;
use super::site::{Came, Client, Node, Person, Site};
use crate::Place;

/// Takes in `count` messages of a socket that breaks off at points that `seed` chooses.
async fn read_with_breaks(
    node: &Node,
    person: &Person,
    mut client: Client,
    mut seed: u64,
    count: usize,
) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let few = usize::try_from(seed >> 60).unwrap().min(count - numbers.len());
        numbers.extend(client.numbers(few).await);
        let cursor = client.cursor();
        drop(client);
        client = node.resume(person, &cursor).await;
        assert_eq!(client.next().await["type"], "welcome");
    }
    numbers
}

async fn lossless(bounds: Bounds) {
    let site = Site::new().await;
    let node = Arc::new(site.node_within(bounds).await);
    let (ann, bob) = (node.person().await, node.person().await);
    let (group, noise) = (node.group(&[&ann, &bob]).await, node.group(&[&ann]).await);
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(node.connect(&bob).await);
    }
    let writers = (0..4).map(|_| {
        let node = Arc::clone(&node);
        tokio::spawn(async move {
            for _ in 0..30 {
                node.send(&ann, group, b"hello").await;
                node.send(&ann, noise, b"not for bob").await;
            }
        })
    });
    let writers = futures_util::future::join_all(writers);
    let read = |(client, seed)| read_with_breaks(&node, &bob, client, seed, 120);
    let readers = futures_util::future::join_all(clients.into_iter().zip(1..).map(read));
    let (written, read) = tokio::join!(writers, readers);
    assert!(written.iter().all(Result::is_ok));
    for numbers in read {
        assert_eq!(numbers, (1..=120).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn breaking_off_at_any_point_loses_and_repeats_nothing() {
    lossless(Bounds::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_it_when_hardly_anything_is_in_memory() {
    lossless(Bounds { recent_events: 8, attach: few(4), ..Bounds::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_handed_on_is_resumed_here() {
    let site = Site::new().await;
    let first = site.node().await;
    let (ann, bob) = (first.person().await, first.person().await);
    let group = first.group(&[&ann, &bob]).await;
    let mut client = first.connect(&bob).await;
    let start = client.cursor();
    for _ in 0..10 {
        first.send(&ann, group, b"hello").await;
    }
    assert_eq!(client.numbers(4).await, [1, 2, 3, 4]);
    let second = site.node().await;
    let mut resumed = second.resume(&bob, &client.cursor()).await;
    assert_eq!(resumed.next().await["type"], "welcome");
    assert_eq!(resumed.numbers(6).await, [5, 6, 7, 8, 9, 10]);
    second.send(&ann, group, b"live").await;
    assert_eq!(resumed.numbers(1).await, [11]);
    // A cursor of a welcome alone serves as well.
    let mut again = second.resume(&bob, &start).await;
    assert_eq!(again.next().await["type"], "welcome");
    assert_eq!(again.numbers(11).await, (1..=11).collect::<Vec<_>>());
}

/// Resumes from `cursor`; the socket has to be reset for `reason` and to go on from there.
async fn is_reset(node: &Node, ann: &Person, bob: &Person, cursor: &str, reason: &str) {
    let group = node.group(&[ann, bob]).await;
    let mut client = node.resume(bob, cursor).await;
    assert_eq!(client.next().await["type"], "welcome");
    let mut reset = client.next().await;
    while matches!(reset["type"].as_str(), Some("event" | "cursor")) {
        reset = client.next().await;
    }
    assert_eq!((reset["type"].as_str(), reset["reason"].as_str()), (Some("reset"), Some(reason)));
    node.send(ann, group, b"hello").await;
    assert_eq!(numbers_of(&mut client, &json!(group), 1).await, [1]);
    let mut again = node.resume(bob, reset["cursor"].as_str().unwrap()).await;
    assert_eq!(again.next().await["type"], "welcome");
    assert_eq!(numbers_of(&mut again, &json!(group), 1).await, [1]);
}

async fn numbers_of(client: &mut Client, group: &Value, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let event = client.event().await;
        if event["conversation_id"] == *group && event["name"] == "conversation.message_sent" {
            numbers.push(event["data"]["number"].as_u64().unwrap());
        }
    }
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_cannot_be_followed_is_reset() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob) = (node.person().await, node.person().await);
    let cursor = |place: Place, who: &Person| node.state.cursors.seal_place(who.account_id, place).unwrap();
    let here = Place { incarnation: node.state.incarnation, position: Position::new(1) };
    let other = Place { incarnation: Incarnation(node.state.clock.new_id()), ..here };
    is_reset(&node, &ann, &bob, &cursor(other, &bob), "other_log").await;
    let beyond = Place { position: Position::new(1_000_000), ..here };
    is_reset(&node, &ann, &bob, &cursor(beyond, &bob), "other_log").await;
    is_reset(&node, &ann, &bob, &cursor(here, &ann), "unreadable").await;
    is_reset(&node, &ann, &bob, "nonsense", "unreadable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_too_long_is_reset() {
    let site = Site::new().await;
    let bounds = Bounds { recent_events: 8, attach: few(4), catch_up_events: 20, ..Bounds::default() };
    let node = site.node_within(bounds).await;
    let (ann, bob) = (node.person().await, node.person().await);
    let group = node.group(&[&ann, &bob]).await;
    let cursor = node.connect(&bob).await.cursor();
    for _ in 0..40 {
        node.send(&ann, group, b"hello").await;
    }
    is_reset(&node, &ann, &bob, &cursor, "too_old").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_and_joined_again_meanwhile_is_reset() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob) = (node.person().await, node.person().await);
    let group = node.group(&[&ann, &bob]).await;
    let cursor = node.connect(&bob).await.cursor();
    node.send(&ann, group, b"one").await;
    node.leave(group, &bob).await;
    node.send(&ann, group, b"two").await;
    let joined = node.join(group, &bob).await;
    // The row that is left tells of the second membership only.
    let shown = node.state.projections.wait_for("conversations", joined, Duration::from_secs(60));
    shown.await.unwrap();
    is_reset(&node, &ann, &bob, &cursor, "membership").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_cut_and_nobody_waits_for_it() {
    let site = Site::new().await;
    let mut bounds = Bounds { attach: few(8), close_wait: Duration::from_secs(60), ..Bounds::default() };
    bounds.outbox.events = 16;
    let node = site.node_within(bounds).await;
    let (ann, bob) = (node.person().await, node.person().await);
    let group = node.group(&[&ann, &bob]).await;
    let mut slow = node.open_narrow(&bob).await;
    slow.say(json!({ "type": "hello" })).await;
    assert_eq!(slow.next().await["type"], "welcome");
    let mut quick = node.connect(&ann).await;
    let content = vec![b'x'; 40_000];
    let mut sent = 0;
    // As much as it takes to fill the queue and all that lies between it and the client.
    while node.state.metrics.live_closed.with_label_values(&["slow_consumer"]).get() == 0 {
        let sends = futures_util::future::join_all((0..8).map(|_| node.send(&ann, group, &content)));
        let (numbers, _) = tokio::join!(quick.numbers(8), sends);
        assert_eq!(numbers, (sent + 1..=sent + 8).collect::<Vec<_>>());
        sent += 8;
        assert!(sent < 2_000, "it was never cut");
    }
    let mut read = 0;
    let end = loop {
        match slow.came().await {
            Came::Frame(frame) => {
                read += 1;
                assert_eq!(frame["event"]["data"]["number"], read);
            }
            end => break end,
        }
    };
    assert_eq!(end, Came::Closed(4000));
    assert!(read < sent);
    let mut resumed = node.resume(&bob, &slow.cursor()).await;
    assert_eq!(resumed.next().await["type"], "welcome");
    let missed = usize::try_from(sent - read).unwrap();
    assert_eq!(resumed.numbers(missed).await, (read + 1..=sent).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_client_is_told_how_far_the_log_has_come() {
    let site = Site::new().await;
    let node = site.node_within(Bounds { heartbeat: Duration::from_millis(50), ..Bounds::default() }).await;
    let (ann, bob) = (node.person().await, node.person().await);
    let (noise, group) = (node.group(&[&ann]).await, node.group(&[&ann, &bob]).await);
    let mut client = node.connect(&bob).await;
    let start = client.cursor();
    node.send(&ann, noise, b"not for bob").await;
    let told = client.next().await;
    assert_eq!(told["type"], "cursor");
    assert_ne!(told["cursor"], json!(start));
    node.send(&ann, group, b"hello").await;
    assert_eq!(client.numbers(1).await, [1]);
    let mut resumed = node.resume(&bob, told["cursor"].as_str().unwrap()).await;
    assert_eq!(resumed.next().await["type"], "welcome");
    assert_eq!(resumed.numbers(1).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_is_gone() {
    let site = Site::new().await;
    let (heartbeat, silence) = (Duration::from_millis(200), Duration::from_secs(3));
    let node = site.node_within(Bounds { heartbeat, silence, ..Bounds::default() }).await;
    let ann = node.person().await;
    let mut client = node.connect(&ann).await;
    // It answers pings while it is read only.
    while node.state.metrics.live_closed.with_label_values(&["silent"]).get() == 0 {
        tokio::time::sleep(heartbeat).await;
    }
    assert_eq!(client.closed().await, Came::Closed(4408));
}
