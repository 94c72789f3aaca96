//! A client of the socket.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::site::PATIENCE;

/// What came, or how it ended.
#[derive(Debug, PartialEq)]
pub enum Came {
    Frame(Value),
    Closed(u16),
    /// The connection broke without a close frame.
    Broken,
}

/// A client of the socket, as bare as can be.
pub struct Client {
    stream: WebSocketStream<TcpStream>,
    /// Of the last frame that had one.
    pub cursor: Option<String>,
}

impl Client {
    pub(super) fn new(stream: WebSocketStream<TcpStream>) -> Self {
        Self { stream, cursor: None }
    }

    pub async fn say(&mut self, frame: Value) {
        self.raw(Message::text(frame.to_string())).await;
    }

    pub async fn raw(&mut self, message: Message) {
        let sent = tokio::time::timeout(PATIENCE, self.stream.send(message));
        sent.await.expect("a frame is taken").unwrap();
    }

    pub async fn came(&mut self) -> Came {
        tokio::time::timeout(PATIENCE, self.comes()).await.expect("something comes")
    }

    async fn comes(&mut self) -> Came {
        loop {
            let message = self.stream.next().await;
            match message {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if let Some(cursor) = frame["cursor"].as_str() {
                        self.cursor = Some(cursor.to_owned());
                    }
                    return Came::Frame(frame);
                }
                Some(Ok(Message::Close(frame))) => return Came::Closed(frame.unwrap().code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Came::Broken,
            }
        }
    }

    /// The next frame.
    pub async fn next(&mut self) -> Value {
        match self.came().await {
            Came::Frame(frame) => frame,
            other => panic!("a frame is expected, not {other:?}"),
        }
    }

    /// The next event; frames with nothing but a cursor are passed over.
    pub async fn event(&mut self) -> Value {
        tokio::time::timeout(PATIENCE, self.any_event()).await.expect("an event comes")
    }

    async fn any_event(&mut self) -> Value {
        loop {
            let frame = self.next().await;
            match frame["type"].as_str() {
                Some("event") => return frame["event"].clone(),
                Some("cursor") => {}
                other => panic!("an event is expected, not {other:?}"),
            }
        }
    }

    /// Names of the next events, up to and with the device that [`Node::mark`] renamed.
    pub async fn names_to_mark(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            let name = self.event().await["name"].as_str().unwrap().to_owned();
            if name == "device.renamed" {
                return names;
            }
            names.push(name);
        }
    }

    /// Numbers of the next `count` messages.
    pub async fn numbers(&mut self, count: usize) -> Vec<u64> {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            let event = self.event().await;
            if event["name"] == "conversation.message_sent" {
                numbers.push(event["data"]["number"].as_u64().unwrap());
            }
        }
        numbers
    }

    /// Waits for the end, whatever comes before.
    pub async fn closed(&mut self) -> Came {
        loop {
            match self.came().await {
                Came::Frame(_) => {}
                end => return end,
            }
        }
    }

    pub fn cursor(&self) -> String {
        self.cursor.clone().unwrap()
    }
}
