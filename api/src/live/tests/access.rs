//! Who gets a socket, and for how long.

use std::sync::Arc;

use bytes::BytesMut;
use domain::device::{DeviceRevocationCause, DeviceRevoked};
use eventstore_schema::StreamId;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;

use super::super::socket::Socket;
use super::super::wire::Wire;
use super::super::{LIVE_CONNECTIONS_PER_ACCOUNT_MAX, Sockets};
use super::site::{Came, Site};
use crate::extract::Origin;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_comes_with_the_handshake_or_the_first_frame() {
    let site = Site::new().await;
    let node = site.node().await;
    let ann = node.person().await;
    let token = node.token(&ann, 300);
    for (in_handshake, in_frame) in [(Some(token.as_str()), json!(null)), (None, json!(token))] {
        let mut client = node.try_open(in_handshake).await.unwrap();
        client.say(json!({ "type": "hello", "token": in_frame })).await;
        let welcome = client.next().await;
        assert_eq!((&welcome["type"], &welcome["account_id"]), (&json!("welcome"), &json!(ann.account_id)));
        assert_eq!(
            (&welcome["session_id"], &welcome["device_id"]),
            (&json!(ann.session_id), &json!(ann.device_id))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_that_holds_there_is_no_socket() {
    let site = Site::new().await;
    let node = site.node().await;
    let ann = node.person().await;
    let expired = node.token(&ann, -1);
    for token in [expired.as_str(), "nonsense"] {
        match node.try_open(Some(token)).await {
            Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 401),
            _ => panic!("the handshake is refused"),
        }
        let mut client = node.try_open(None).await.unwrap();
        client.say(json!({ "type": "hello", "token": token })).await;
        assert_eq!(client.next().await["problem"]["code"], "unauthenticated");
        assert_eq!(client.came().await, Came::Closed(4401));
    }
    let mut client = node.try_open(None).await.unwrap();
    client.say(json!({ "type": "hello" })).await;
    assert_eq!(client.came().await, Came::Closed(4401));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_closes_at_once_and_stays_out() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, other) = (node.person().await, node.person().await);
    let (mut client, mut another) = (node.connect(&ann).await, node.connect(&other).await);
    node.revoke(&ann).await;
    assert_eq!(client.closed().await, Came::Closed(4403));
    match node.try_open(Some(&node.token(&ann, 300))).await {
        Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 401),
        Ok(mut client) => {
            client.say(json!({ "type": "hello" })).await;
            assert_eq!(client.closed().await, Came::Closed(4403));
        }
        Err(error) => panic!("{error}"),
    }
    node.mark(&other).await;
    assert_eq!(another.names_to_mark().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_closes_at_once() {
    let site = Site::new().await;
    let node = site.node().await;
    let ann = node.person().await;
    let mut client = node.connect(&ann).await;
    let (account_id, device_id) = (ann.account_id, ann.device_id);
    let revoked = DeviceRevoked { account_id, device_id, cause: DeviceRevocationCause::Lost };
    let stream = StreamId::new(domain::Category::Device, account_id);
    node.write(stream, None, ann.actor(), vec![(revoked.into(), None)]).await;
    assert_eq!(client.closed().await, Came::Closed(4403));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_closes_unless_another_came_in_time() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob) = (node.person().await, node.person().await);
    let short = node.token(&ann, 3);
    let mut lapses = node.try_open(Some(&short)).await.unwrap();
    let mut renewed = node.try_open(Some(&short)).await.unwrap();
    lapses.say(json!({ "type": "hello" })).await;
    renewed.say(json!({ "type": "hello" })).await;
    renewed.next().await;
    // Of somebody else it does not count.
    renewed.say(json!({ "type": "authenticate", "id": "x", "token": node.token(&bob, 300) })).await;
    assert_eq!(renewed.next().await["problem"]["code"], "unauthenticated");
    renewed.say(json!({ "type": "authenticate", "id": "a", "token": node.token(&ann, 300) })).await;
    let taken = renewed.next().await;
    assert_eq!((&taken["type"], &taken["id"]), (&json!("authenticated"), &json!("a")));
    assert_eq!(lapses.closed().await, Came::Closed(4402));
    node.mark(&ann).await;
    assert_eq!(renewed.names_to_mark().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_sends_everybody_away_to_resume() {
    let site = Site::new().await;
    let node = site.node().await;
    let ann = node.person().await;
    let mut client = node.connect(&ann).await;
    let (closed, ()) = tokio::join!(client.closed(), node.stop());
    assert_eq!(closed, Came::Closed(1001));
}

#[test]
fn an_account_has_no_more_sockets_than_it_may() {
    let sockets = Arc::new(Sockets::default());
    let (ann, bob) = (domain::AccountId::from_bytes([1; 16]), domain::AccountId::from_bytes([2; 16]));
    let mut held: Vec<_> = (0..LIVE_CONNECTIONS_PER_ACCOUNT_MAX).map(|_| sockets.of(ann).unwrap()).collect();
    assert!(sockets.of(ann).is_none() && sockets.of(bob).is_some());
    held.pop();
    assert!(sockets.of(ann).is_some());
    drop(held);
    assert!(sockets.accounts().is_empty());
}

/// There are tens of thousands of them: what they use seldom has its own memory, for as long as it is used.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_socket_takes_few_bytes() {
    const BYTES_MAX: usize = 3_072;
    let site = Site::new().await;
    let node = site.node().await;
    let stream = TcpStream::connect(node.address()).await.unwrap();
    let request_id = "request".to_owned();
    let origin = Origin { address: None, user_agent: None, request_id, trace_id: None };
    let socket = Socket::new(Arc::clone(&node.state), origin, Wire::new(stream, BytesMut::new()));
    let bytes = size_of_val(&socket.run(None));
    assert!(bytes <= BYTES_MAX, "{bytes} bytes");
}
