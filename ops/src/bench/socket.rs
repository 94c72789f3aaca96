//! A live socket as bare as can be: what a bench has thousands of.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::cli::CliError;

/// Longest wait for a connection and its handshake.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);

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
            let stream = TcpStream::connect(address).await.map_err(|_| Lost)?;
            stream.set_nodelay(true).map_err(|_| Lost)?;
            let mut request = format!("ws://{address}/v1/live").into_client_request().map_err(|_| Lost)?;
            let bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Lost)?;
            request.headers_mut().insert("authorization", bearer);
            let opened = tokio_tungstenite::client_async(request, stream).await;
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

/// Raises the number of files that this process and those that it starts may have open, as far as they are let.
///
/// # Errors
/// When that is fewer than `wanted`.
pub fn raise_file_limit(wanted: u64) -> Result<(), CliError> {
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|maximum| maximum < wanted) {
        return Err(CliError::usage(format!("{wanted} open files are needed, fewer are allowed"))
            .hint("raise the hard limit, `ulimit -Hn`"));
    }
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })
            .map_err(|error| CliError::failed("the limit of open files").because(&error))?;
    }
    Ok(())
}
