//! A client that was away for long, on a busy node, catches up; whoever does not read holds up nobody.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::super::Bounds;
use super::few;
use super::site::{Came, Client, Node, Person, Site};

/// Hardly anything is in memory, and few events are many.
fn tight() -> Bounds {
    Bounds { recent_events: 8, attach: few(4), catch_up_events: 40, ..Bounds::default() }
}

async fn resumed(node: &Node, person: &Person, cursor: &str) -> Client {
    let mut client = node.resume(person, cursor).await;
    assert_eq!(client.next().await["type"], "welcome");
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_others_did_a_quiet_client_resumes_also_after_a_restart() {
    let site = Site::new().await;
    let node = site.node_within(tight()).await;
    let (ann, bob) = (node.person().await, node.person().await);
    let (group, noise) = (node.group(&[&ann, &bob]).await, node.group(&[&ann]).await);
    let start = node.connect(&bob).await.cursor();
    for n in 0..200 {
        node.send(&ann, noise, b"not for bob").await;
        if n % 50 == 0 {
            node.send(&ann, group, b"for bob").await;
        }
    }
    let (again, restarted) = (&node, &site.node_within(tight()).await);
    for node in [again, restarted] {
        let mut client = resumed(node, &bob, &start).await;
        assert_eq!(client.numbers(4).await, [1, 2, 3, 4]);
        // Nothing more is outstanding, and it says so: from there on it is all in memory.
        node.mark(&bob).await;
        assert_eq!(client.names_to_mark().await, Vec::<String>::new());
        assert_eq!(node.state.metrics.live_resets.with_label_values(&["too_old"]).get(), 0);
    }
    // What it missed itself counts.
    for _ in 0..50 {
        node.send(&ann, group, b"for bob").await;
    }
    let mut client = resumed(&node, &bob, &start).await;
    let mut frame = client.next().await;
    while matches!(frame["type"].as_str(), Some("event" | "cursor")) {
        frame = client.next().await;
    }
    assert_eq!((&frame["type"], &frame["reason"]), (&json!("reset"), &json!("too_old")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_meanwhile_of_every_kind_is_caught_up_with() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob) = (node.person().await, node.person().await);
    let start = node.connect(&bob).await.cursor();
    let (workspace, terms) = node.workspace(&[&ann, &bob]).await;
    let group = node.group_in(Some((workspace, terms)), &[&ann, &bob]).await;
    node.send(&ann, group, b"in a conversation that bob did not know").await;
    let late = node.group(&[&ann]).await;
    node.send(&ann, late, b"before bob").await;
    node.join(late, &bob).await;
    node.send(&ann, late, b"with bob").await;
    node.leave(late, &bob).await;
    node.send(&ann, late, b"after bob").await;
    node.archive(workspace, &ann).await;
    let other = Person { session_id: node.state.clock.new_id(), ..bob };
    node.begin(&other).await;
    node.revoke(&other).await;
    node.mark(&bob).await;
    let restarted = site.node_within(tight()).await;
    let mut resumes = resumed(&restarted, &bob, &start).await;
    assert_eq!(
        resumes.names_to_mark().await,
        [
            "workspace.member_joined",
            "conversation.member_joined",
            "conversation.message_sent",
            "conversation.member_joined",
            "conversation.message_sent",
            "conversation.member_left",
            "workspace.archived",
            "session.started",
            "session.revoked",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_joined_a_conversation_that_was_set_aside_catches_up_with_it() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob) = (node.person().await, node.person().await);
    let group = node.group(&[&ann]).await;
    let start = node.connect(&bob).await.cursor();
    node.join(group, &bob).await;
    node.send(&ann, group, b"hello").await;
    site.set_aside_before(&node, group, &bob).await;
    node.mark(&bob).await;
    let restarted = site.node_within(tight()).await;
    let mut resumes = resumed(&restarted, &bob, &start).await;
    assert_eq!(resumes.names_to_mark().await, ["conversation.member_joined", "conversation.message_sent"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_read_holds_up_nobody_else() {
    let site = Site::new().await;
    let node = site.node_within(Bounds { catch_up_events: 100_000, ..tight() }).await;
    let (ann, bob, eve) = (node.person().await, node.person().await, node.person().await);
    let (group, large) = (node.group(&[&ann, &bob]).await, node.group(&[&ann, &eve]).await);
    let start = node.connect(&bob).await.cursor();
    let hers = node.connect(&eve).await.cursor();
    // More than all that lies between a socket and its client takes.
    let content = vec![b'x'; 60_000];
    for _ in 0..20 {
        futures_util::future::join_all((0..8).map(|_| node.send(&ann, large, &content))).await;
    }
    node.send(&ann, group, b"for bob").await;
    let mut slow = Vec::new();
    for _ in 0..crate::limits::LIVE_CONNECTIONS_PER_ACCOUNT_MAX {
        let mut client = node.open_narrow(&eve).await;
        client.say(json!({ "type": "hello", "resume_after": hers })).await;
        assert_eq!(client.next().await["type"], "welcome");
        slow.push(client);
    }
    let handed = &node.state.metrics.live_events;
    let mut before = 0;
    while before == 0 || handed.get() > before {
        before = handed.get();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let at_once = Duration::from_secs(5);
    assert!(at_once < crate::limits::LIVE_WRITE_WAIT_MAX);
    let caught_up = async {
        let mut client = resumed(&node, &bob, &start).await;
        assert_eq!(client.numbers(1).await, [1]);
    };
    timeout(at_once, caught_up).await.expect("bob is served while eve reads nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_ends_also_a_socket_that_catches_up() {
    let site = Site::new().await;
    let node = site.node_within(Bounds { catch_up_events: 100_000, ..tight() }).await;
    let (ann, eve) = (node.person().await, node.person().await);
    let large = node.group(&[&ann, &eve]).await;
    let start = node.connect(&eve).await.cursor();
    let content = vec![b'x'; 60_000];
    for _ in 0..20 {
        futures_util::future::join_all((0..8).map(|_| node.send(&ann, large, &content))).await;
    }
    let mut slow = node.open_narrow_for(&eve, 5).await;
    slow.say(json!({ "type": "hello", "resume_after": start })).await;
    let expired = node.state.metrics.live_closed.with_label_values(&["token_expired"]);
    let at_once = Duration::from_secs(15);
    assert!(at_once < crate::limits::LIVE_WRITE_WAIT_MAX);
    let ended = async {
        while expired.get() == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(at_once, ended).await.expect("it is cut when its token expires");
    while !matches!(slow.came().await, Came::Closed(4402) | Came::Broken) {}
}
