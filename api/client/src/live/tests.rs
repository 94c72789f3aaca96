use std::sync::Arc;

use domain::conversation::ConversationEvent;
use domain::{AccountId, ConversationId, DeviceId, Event, MessageId, SessionId};
use serde_json::{Value, json};

use super::{Incoming, ResetReason};
use crate::client::Client;
use crate::e2ee::DeviceKeys;
use crate::e2ee::testing::seeded;
use crate::http::{Http, Position};
use crate::keystore::{KeyState, KeyStore, StoredSession};
use crate::messages::Body;
use crate::session::Session;
use crate::testing::{Reply, Seen, Step, TestServer};

const ANN: AccountId = AccountId::from_bytes([1; 16]);
const SESSION: SessionId = SessionId::from_bytes([2; 16]);
const TALK: ConversationId = ConversationId::from_bytes([3; 16]);

fn client(server: &TestServer) -> Client {
    let mut state = KeyState::new(&server.base, ANN);
    state.session = Some(StoredSession { session_id: SESSION, refresh_token: "r".to_owned() });
    state.set_device(&DeviceKeys::generate(ANN, DeviceId::from_bytes([4; 16]), &mut seeded(1)));
    let store = Arc::new(KeyStore::in_memory(state));
    Client::new(Session::resume(Http::new(&server.base).unwrap(), store))
}

fn tokens(number: usize) -> Reply {
    Reply::json(json!({
        "account_id": ANN, "session_id": SESSION, "access_token": format!("a{number}"), "expires_in": 600,
        "refresh_token": "r", "position": "p",
    }))
}

fn no_more(_: usize, seen: &Seen) -> Reply {
    if seen.line.contains("refresh") { tokens(0) } else { Reply::json(json!({ "items": [] })) }
}

fn welcome(cursor: &str) -> Step {
    Step::Say(json!({ "type": "welcome", "cursor": cursor, "heartbeat_seconds": 20 }))
}

fn event(number: u8, name: &str, data: Value) -> Step {
    Step::Say(json!({ "type": "event", "cursor": format!("c{number}"), "event": {
        "name": name, "version": 1, "organization_id": null, "conversation_id": TALK, "revision": number, "at": 5,
        "actor": { "kind": "account", "id": ANN }, "data": data, "sealed": null, "erased": false,
    } }))
}

/// Event `number`: the message of that number was sent, in clear.
fn sent(number: u8) -> Step {
    let data = json!({
        "conversation_id": TALK, "message_id": MessageId::from_bytes([number; 16]), "number": number,
        "sender_id": ANN, "device_id": DeviceId::from_bytes([4; 16]), "generation": 0, "encrypted": false,
        "reply_to": null,
    });
    event(number, "conversation.message_sent", data)
}

fn shown(incoming: Option<Incoming>) -> String {
    match incoming {
        None => "over".to_owned(),
        Some(Incoming::Event(happening)) => match happening.event {
            Event::Conversation(ConversationEvent::MessageSent(sent)) => {
                format!("sent {} at {}", sent.number, happening.cursor.0)
            }
            other => format!("{other:?}"),
        },
        Some(Incoming::Missed(message)) => format!("missed {}", message.number),
        Some(other) => format!("{other:?}").to_lowercase(),
    }
}

async fn take(live: &mut super::Live, count: usize) -> Vec<String> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(shown(live.next().await));
    }
    taken
}

#[tokio::test]
async fn a_lost_connection_is_resumed_without_gap_or_repetition() {
    let server = TestServer::start_live(no_more, |number| match number {
        0 => vec![welcome("c0"), sent(1), sent(2), Step::Break],
        _ => vec![welcome("c2"), sent(2), sent(3), Step::Stay],
    })
    .await;
    let mut live = client(&server).live(Some(Position("c0".to_owned())));
    let taken = take(&mut live, 6).await;
    assert_eq!(
        taken,
        ["connected", "sent 1 at c1", "sent 2 at c2", "disconnected", "connected", "sent 3 at c3"]
    );
    let resumed = server.hellos().into_iter().map(|hello| hello["resume_after"].clone());
    assert_eq!(resumed.collect::<Vec<_>>(), [json!("c0"), json!("c2")]);
}

#[tokio::test]
async fn after_a_reset_missed_messages_come_before_newer_ones_and_once() {
    let missed = |number: u8| {
        json!({
            "number": number, "message_id": MessageId::from_bytes([number; 16]), "sender_id": ANN,
            "device_id": DeviceId::from_bytes([4; 16]), "generation": 0, "encrypted": false, "reply_to": null,
            "sent_at": 5, "edited_at": null, "deleted_at": 6, "content": null, "cipher": null,
            "erased": false, "pinned": false,
        })
    };
    let answer = move |_: usize, seen: &Seen| {
        if seen.line.contains("refresh") {
            tokens(0)
        } else if seen.line.contains("after=1") {
            Reply::json(json!({ "items": [missed(2), missed(3)] }))
        } else {
            Reply::json(json!({ "items": [] }))
        }
    };
    let server = TestServer::start_live(answer, |number| match number {
        0 => vec![welcome("c0"), sent(1), Step::Close(4000)],
        _ => vec![
            Step::Say(json!({ "type": "reset", "reason": "too_old", "cursor": "c1" })),
            welcome("c2"),
            sent(3),
            sent(4),
            Step::Stay,
        ],
    })
    .await;
    let mut live = client(&server).live(None);
    let taken = take(&mut live, 3).await;
    assert_eq!(taken, ["connected", "sent 1 at c1", "disconnected"]);
    assert!(matches!(live.next().await, Some(Incoming::Reset(ResetReason::TooOld))));
    let taken = take(&mut live, 4).await;
    assert_eq!(taken, ["missed 2", "missed 3", "connected", "sent 4 at c4"]);
}

/// A conversation of a sync, up to a message.
fn synced(id: u8, last_number: u64) -> Value {
    let conversation = json!({
        "conversation_id": ConversationId::from_bytes([id; 16]), "organization_id": AccountId::from_bytes([9; 16]),
        "workspace_id": null, "kind": "GROUP", "title": null, "topic": null, "allows_plaintext": false, "members": 2,
        "history_visibility": "joined", "hidden_up_to": 0, "role": "member", "last_number": last_number, "read_up_to": 0,
    });
    json!({ "conversation": conversation, "direct_with": null, "last_message": null, "unread": 0, "visible_after": 0 })
}

#[tokio::test]
async fn after_a_reset_what_changed_since_is_asked_for_and_nothing_else() {
    let answer = move |_: usize, seen: &Seen| {
        if seen.line.contains("refresh") {
            tokens(0)
        } else if seen.line.contains("/v1/sync?") {
            // Of all pages, and not before the server is where the stream goes on.
            let is_first = seen.line.contains("since=c1") && seen.header("envoi-min-position") == Some("c9");
            let (conversations, next) = match is_first {
                true => (json!([synced(3, 1)]), json!("more")),
                false => (json!([synced(7, 5)]), Value::Null),
            };
            Reply::json(json!({
                "position": "c9", "reset": false, "conversations": conversations, "left": [], "people": [],
                "next_cursor": next,
            }))
        } else {
            Reply::problem(500, "nothing_else_is_asked_for")
        }
    };
    let server = TestServer::start_live(answer, |number| match number {
        0 => vec![welcome("c0"), sent(1), Step::Close(4000)],
        // A log that is another one: the welcome is no place to go on from.
        _ => vec![
            welcome("c8"),
            Step::Say(json!({ "type": "reset", "reason": "other_log", "cursor": "c9" })),
            Step::Stay,
        ],
    })
    .await;
    let mut live = client(&server).live(None);
    let taken = take(&mut live, 5).await;
    assert_eq!(taken[..4], ["connected", "sent 1 at c1", "disconnected", "connected"]);
    assert!(taken[4].starts_with("reset"), "{taken:?}");
    let Some(Incoming::Synced(synced)) = live.next().await else { panic!("a sync follows") };
    assert_eq!((synced.since, synced.position.0.as_str()), (Some(Position("c1".to_owned())), "c9"));
    let changed = synced.conversations.iter().map(|one| one.conversation.last_number);
    assert_eq!(changed.collect::<Vec<_>>(), [1, 5]);
    let asked = server.seen().into_iter().filter(|seen| !seen.line.contains("refresh"));
    assert_eq!(asked.count(), 2, "nothing was newer than what was handed on");
}

#[tokio::test]
async fn a_session_that_ends_ends_the_stream() {
    let server = TestServer::start_live(no_more, |_| vec![welcome("c0"), Step::Close(4403)]).await;
    let mut live = client(&server).live(None);
    assert_eq!(take(&mut live, 3).await, ["connected", "loggedout", "over"]);
}

#[tokio::test]
async fn an_expired_token_is_renewed_and_the_stream_goes_on() {
    let answer = |number: usize, _: &Seen| tokens(number);
    let server = TestServer::start_live(answer, |number| match number {
        0 => vec![welcome("c0"), Step::Close(4401)],
        _ => vec![welcome("c0"), sent(1), Step::Stay],
    })
    .await;
    let mut live = client(&server).live(None);
    let taken = take(&mut live, 4).await;
    assert_eq!(taken, ["connected", "disconnected", "connected", "sent 1 at c1"]);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn clear_content_is_shown_as_such_and_missing_content_as_locked() {
    let clear = json!({ "content": "aGVsbG8", "cipher": null });
    let server = TestServer::start_live(no_more, move |_| {
        let mut first = sent(1);
        if let Step::Say(frame) = &mut first {
            frame["event"]["sealed"] = clear.clone();
        }
        vec![first, sent(2), event(3, "conversation.exploded", json!({})), sent(4), Step::Stay]
    })
    .await;
    let mut live = client(&server).live(None);
    let (mut bodies, mut unreadable) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        match live.next().await {
            Some(Incoming::Event(happening)) => bodies.push(happening.body.unwrap()),
            Some(Incoming::Unreadable { cursor, name }) => unreadable.push((cursor.0, name)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(unreadable, [("c3".to_owned(), "conversation.exploded".to_owned())]);
    assert_eq!(bodies.len(), 3);
    assert!(matches!(&bodies[0], Body::Clear(content) if content.as_text() == Some("hello")));
    assert!(matches!(bodies[1], Body::Locked));
}
