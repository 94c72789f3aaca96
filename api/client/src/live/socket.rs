//! One connection of the live socket: frames in both directions, heartbeats, a fresh token in time, and why it ended.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::frames::{self, Down, Up};
use crate::http::{Position, install_crypto_provider};
use crate::problem::ApiError;
use crate::session::Session;

/// Longest wait for a connection and its handshake.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);
/// Largest frame that is read: a whole event with the largest message, several times over.
const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// How many heartbeats may be missed before a connection counts as dead.
const MISSED_HEARTBEATS_MAX: u32 = 2;
/// Heartbeat until the server says which it keeps.
const FIRST_HEARTBEAT: Duration = Duration::from_secs(30);

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Nobody listens any more.
    Dropped,
    /// Connect again and resume.
    Lost,
    /// The server wants a fresh access token.
    Unauthenticated,
    /// The session is over.
    LoggedOut,
    /// Too many sockets, or one that is not understood: connect again, but not at once.
    Refused,
}

/// A frame that an owner of the connection has to see.
pub(crate) type Frames = mpsc::Sender<Down>;

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects, says hello and hands frames on until something ends it.
pub(crate) async fn run(
    session: &Session,
    resume_after: Option<Position>,
    frames: &Frames,
    up: &mut mpsc::Receiver<Up>,
) -> Ended {
    match connect(session).await {
        Ok(stream) => Connection::new(stream).run(session, resume_after, frames, up).await,
        Err(ended) => ended,
    }
}

async fn connect(session: &Session) -> Result<Stream, Ended> {
    let token = session.token().await.map_err(|error| match error {
        ApiError::LoggedOut => Ended::LoggedOut,
        _ => Ended::Lost,
    })?;
    install_crypto_provider();
    let base = session.http().base();
    let url = match base.strip_prefix("https://") {
        Some(rest) => format!("wss://{rest}/v1/live"),
        None => format!("ws://{}/v1/live", base.trim_start_matches("http://")),
    };
    let mut request = url.into_client_request().map_err(|_| Ended::Refused)?;
    let mut bearer =
        HeaderValue::from_str(&format!("Bearer {}", token.as_str())).map_err(|_| Ended::Refused)?;
    bearer.set_sensitive(true);
    request.headers_mut().insert("authorization", bearer);
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let connecting = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
    match tokio::time::timeout(CONNECT_WAIT_MAX, connecting).await {
        Ok(Ok((stream, _))) => Ok(stream),
        Ok(Err(SocketError::Http(response))) if response.status() == 401 => Err(Ended::Unauthenticated),
        Ok(Err(error)) => {
            tracing::debug!(%error, "the live socket cannot be opened");
            Err(Ended::Lost)
        }
        Err(_) => Err(Ended::Lost),
    }
}

struct Connection {
    stream: Stream,
    heartbeat: Duration,
    heard: Instant,
}

impl Connection {
    fn new(stream: Stream) -> Self {
        Self { stream, heartbeat: FIRST_HEARTBEAT, heard: Instant::now() }
    }

    async fn run(
        mut self,
        session: &Session,
        resume_after: Option<Position>,
        frames: &Frames,
        up: &mut mpsc::Receiver<Up>,
    ) -> Ended {
        if let Err(ended) = self.say(&Up::Hello { resume_after }).await {
            return ended;
        }
        let mut renew_at = Instant::from_std(session.renewal().await);
        let mut next_ping = Instant::now() + self.heartbeat;
        loop {
            let step = tokio::select! {
                message = self.stream.next() => self.heard(message, frames).await,
                said = up.recv() => match said {
                    Some(said) => self.say(&said).await,
                    None => Err(Ended::Dropped),
                },
                () = tokio::time::sleep_until(next_ping) => {
                    next_ping = Instant::now() + self.heartbeat;
                    self.beat().await
                }
                () = tokio::time::sleep_until(renew_at) => {
                    let said = self.authenticate(session).await;
                    renew_at = Instant::from_std(session.renewal().await);
                    said
                }
            };
            if let Err(ended) = step {
                return ended;
            }
        }
    }

    async fn heard(
        &mut self,
        message: Option<Result<Message, SocketError>>,
        frames: &Frames,
    ) -> Result<(), Ended> {
        self.heard = Instant::now();
        match message {
            Some(Ok(Message::Text(text))) => {
                let frame = frames::read(&text).map_err(|error| {
                    tracing::warn!(%error, "a live frame cannot be read");
                    Ended::Lost
                })?;
                if let Down::Welcome { heartbeat_seconds, .. } = &frame {
                    self.heartbeat = Duration::from_secs((*heartbeat_seconds).max(1));
                }
                frames.send(frame).await.map_err(|_| Ended::Dropped)
            }
            Some(Ok(Message::Close(frame))) => {
                Err(frame.map_or(Ended::Lost, |frame| why_closed(frame.code.into())))
            }
            Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Err(_)) | None => Err(Ended::Lost),
        }
    }

    async fn beat(&mut self) -> Result<(), Ended> {
        if self.heard.elapsed() > self.heartbeat * MISSED_HEARTBEATS_MAX {
            return Err(Ended::Lost);
        }
        self.stream.send(Message::Ping(Vec::new().into())).await.map_err(|_| Ended::Lost)
    }

    async fn authenticate(&mut self, session: &Session) -> Result<(), Ended> {
        match session.token().await {
            Ok(token) => self.say(&Up::Authenticate { id: "renewal", token: token.to_string() }).await,
            Err(ApiError::LoggedOut) => Err(Ended::LoggedOut),
            Err(_) => Err(Ended::Lost),
        }
    }

    async fn say(&mut self, frame: &Up) -> Result<(), Ended> {
        let text = serde_json::to_string(frame).map_err(|_| Ended::Refused)?;
        self.stream.send(Message::Text(text.into())).await.map_err(|_| Ended::Lost)
    }
}

/// What a close code asks for. Codes from 4000 on are the server's own.
fn why_closed(code: u16) -> Ended {
    match code {
        4401 | 4402 => Ended::Unauthenticated,
        4403 => Ended::LoggedOut,
        4400 | 4429 => Ended::Refused,
        _ => Ended::Lost,
    }
}
