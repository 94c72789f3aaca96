//! A live socket as bare as can be: what a bench has thousands of.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Longest wait for a connection and its handshake.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);

/// Addresses of this machine that connections come from, by turns: one has fewer ports than a bench has sockets.
const SOURCES: u8 = 4;
/// Bytes that a socket reads at once; many sockets have memory for it.
const READ_BYTES: usize = 4_096;

/// Why a socket is no more: whoever wants one connects again.
#[derive(Debug)]
pub struct Lost;

/// A socket.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
}

impl Socket {
    /// Connects to the server at `address`, says who it is, and from where on it wants to know.
    ///
    /// # Errors
    /// When it cannot now.
    pub async fn open(address: &str, token: &str, resume_after: Option<&str>) -> Result<Self, Lost> {
        let connecting = async {
            let stream = connect(address.parse().map_err(|_| Lost)?).await.map_err(|_| Lost)?;
            stream.set_nodelay(true).map_err(|_| Lost)?;
            let mut request = format!("ws://{address}/v1/live").into_client_request().map_err(|_| Lost)?;
            let bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Lost)?;
            request.headers_mut().insert("authorization", bearer);
            let config = WebSocketConfig::default().read_buffer_size(READ_BYTES);
            let opened = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
            opened.map(|(stream, _)| Self { stream }).map_err(|_| Lost)
        };
        let mut socket = tokio::time::timeout(CONNECT_WAIT_MAX, connecting).await.map_err(|_| Lost)??;
        socket.say(&json!({ "type": "hello", "resume_after": resume_after })).await?;
        Ok(socket)
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn say(&mut self, frame: &Value) -> Result<(), Lost> {
        self.stream.send(Message::text(frame.to_string())).await.map_err(|_| Lost)
    }

    /// The next frame.
    ///
    /// # Errors
    /// When the connection is gone, or the server closed it.
    pub async fn next(&mut self) -> Result<Value, Lost> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).map_err(|_| Lost),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Lost),
            }
        }
    }
}

async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let socket = TcpSocket::new_v4()?;
    let source = Ipv4Addr::new(127, 0, 0, 1 + NEXT.fetch_add(1, Ordering::Relaxed) % SOURCES);
    socket.bind(SocketAddrV4::new(source, 0).into())?;
    socket.connect(address).await
}
