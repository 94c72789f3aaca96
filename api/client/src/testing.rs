//! A server over real TCP that answers as a test says, also by hanging up: for what a good server does not do on demand.

use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Method and path.
    pub line: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

impl Seen {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What to do with a request.
pub enum Reply {
    /// Answer with status, headers and body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Close the connection without a word.
    HangUp,
}

impl Reply {
    /// JSON with status 200.
    pub fn json(body: serde_json::Value) -> Self {
        Reply::Answer(200, Vec::new(), body.to_string())
    }

    /// A problem.
    pub fn problem(status: u16, code: &str) -> Self {
        let body = serde_json::json!({ "status": status, "code": code, "detail": "no" });
        Reply::Answer(status, Vec::new(), body.to_string())
    }
}

/// What to do with a live socket, step by step.
pub enum Step {
    /// Send a frame.
    Say(serde_json::Value),
    /// Close with this code.
    Close(u16),
    /// Break the connection.
    Break,
    /// Keep it open.
    Stay,
}

/// A running server.
pub struct TestServer {
    /// Its address.
    pub base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    hellos: Arc<Mutex<Vec<serde_json::Value>>>,
}

impl TestServer {
    /// Starts one that answers the n-th request, from 0, with `answer`.
    pub async fn start(answer: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_live(answer, |_| vec![Step::Break]).await
    }

    /// The same, whose n-th live socket does what `live` says after the first frame.
    pub async fn start_live(
        answer: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
        live: impl Fn(usize) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let (answer, live) = (Arc::new(answer), Arc::new(live));
        let hellos = Arc::new(Mutex::new(Vec::new()));
        let said = Arc::clone(&hellos);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, said) = (Arc::clone(&log), Arc::clone(&said));
                let (answer, live) = (Arc::clone(&answer), Arc::clone(&live));
                tokio::spawn(async move {
                    let mut first = [0; 12];
                    let mut known = 0;
                    while known < first.len() {
                        known = stream.peek(&mut first).await.unwrap_or(usize::MAX);
                    }
                    if &first == b"GET /v1/live" {
                        play(stream, &said, live).await;
                    } else {
                        converse(stream, log, answer).await;
                    }
                });
            }
        });
        Self { base, seen, hellos }
    }

    /// First frame of each live socket so far.
    pub fn hellos(&self) -> Vec<serde_json::Value> {
        self.hellos.lock().unwrap().clone()
    }

    /// What came in so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn play(
    stream: TcpStream,
    said: &Mutex<Vec<serde_json::Value>>,
    live: Arc<impl Fn(usize) -> Vec<Step>>,
) {
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let Some(Ok(Message::Text(hello))) = socket.next().await else { return };
    let number = {
        let mut said = said.lock().unwrap();
        said.push(serde_json::from_str(&hello).unwrap());
        said.len() - 1
    };
    for step in live(number) {
        match step {
            Step::Say(frame) => socket.send(Message::text(frame.to_string())).await.unwrap(),
            Step::Close(code) => {
                let frame = CloseFrame { code: code.into(), reason: "".into() };
                socket.close(Some(frame)).await.unwrap();
            }
            Step::Break => return,
            Step::Stay => while let Some(Ok(_)) = socket.next().await {},
        }
    }
    // The other side answers a close before the connection goes.
    while let Some(Ok(_)) = socket.next().await {}
}

async fn converse<F: Fn(usize, &Seen) -> Reply>(
    mut stream: TcpStream,
    log: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<F>,
) {
    while let Some(request) = read(&mut stream).await {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(request.clone());
            log.len() - 1
        };
        let Reply::Answer(status, headers, body) = answer(number, &request) else { return };
        let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(&body);
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Seen { line, headers, body: String::from_utf8(body).ok()? })
}
