//! One live socket from its handshake to its end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Session};
use domain::Timestamp;
use eventstore_schema::Position;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::Instant;

use super::catch_up::catch_up;
use super::connection::Connection;
use super::frames::{Closing, CommandFrame, Down, Hello, Outgoing, ResetReason, Up};
use super::{Entered, Held};
use crate::cursor::Place;
use crate::edge::{admit, bearer, observed};
use crate::endpoint::Access;
use crate::extract::{self, Identity, Origin};
use crate::invoke::invoke;
use crate::limits::{
    LIVE_CLOSE_WAIT_MAX, LIVE_COMMAND_ID_BYTES_MAX, LIVE_COMMANDS_AT_ONCE_MAX, LIVE_FRAME_BYTES_MAX,
    LIVE_HEARTBEAT_EVERY, LIVE_HELLO_WAIT_MAX, LIVE_QUEUE_FRAMES_MAX, LIVE_SILENCE_MAX, LIVE_WATCHED_MAX,
};
use crate::problem::{Code, Problem};
use crate::state::State;

/// The subprotocol that is spoken.
const PROTOCOL: &str = "envoi.v1";
/// What an access token among the subprotocols begins with: browsers can send no other header.
const BEARER_PREFIX: &str = "bearer.";

/// `GET /v1/live`
pub async fn upgrade(request: HttpRequest, payload: web::Payload, state: web::Data<State>) -> HttpResponse {
    let state = state.into_inner();
    observed(&state, &request, "/v1/live", |origin| async {
        let request_id = origin.request_id.clone();
        let opened = open(Arc::clone(&state), &request, payload, origin).await;
        opened.unwrap_or_else(|problem| problem.into_response(&request_id))
    })
    .await
}

async fn open(
    state: Arc<State>,
    request: &HttpRequest,
    payload: web::Payload,
    origin: Origin,
) -> Result<HttpResponse, Problem> {
    let token = handshake_token(request);
    match &token {
        Some(token) => {
            let identity = state.authenticate(token).await?;
            if let Some(rates) = &state.rates {
                rates.account(identity.account_id).admit()?;
            }
        }
        None => {
            admit(Access::Anonymous, &state, request, &origin, &mut HeaderMap::new()).await?;
        }
    }
    let entered = state.live.enter()?;
    let (response, session, stream) = actix_ws::handle_with_protocols(request, payload, &[PROTOCOL])
        .map_err(|error| Problem::from(Code::InvalidHeader).detail(error.to_string()))?;
    let stream = stream.max_frame_size(LIVE_FRAME_BYTES_MAX).aggregate_continuations();
    let stream = stream.max_continuation_size(LIVE_FRAME_BYTES_MAX);
    actix_web::rt::spawn(async move {
        state.metrics.live_connections.inc();
        let socket = Socket { state: Arc::clone(&state), origin, stream, _entered: entered };
        socket.run(session, token).await;
        state.metrics.live_connections.dec();
    });
    Ok(response)
}

/// The access token that came with the handshake, in a header or among the subprotocols.
fn handshake_token(request: &HttpRequest) -> Option<String> {
    if let Ok(token) = bearer(request) {
        return Some(token.to_owned());
    }
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut protocols = offered.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    protocols.find_map(|protocol| protocol.trim().strip_prefix(BEARER_PREFIX)).map(str::to_owned)
}

struct Socket {
    state: Arc<State>,
    origin: Origin,
    stream: AggregatedMessageStream,
    _entered: Entered,
}

/// A command in progress; gives the frame with its answer.
type InProgress<'a> = Pin<Box<dyn Future<Output = Arc<str>> + 'a>>;

impl Socket {
    async fn run(mut self, session: Session, token: Option<String>) {
        match self.begin(token).await {
            Ok(Some((hello, token, identity))) => self.serve(session, hello, &token, identity).await,
            // The client went.
            Ok(None) => {}
            Err(closing) => close(&self.state, session, closing).await,
        }
    }

    /// Waits for the first frame and finds out who speaks.
    async fn begin(&mut self, token: Option<String>) -> Result<Option<(Hello, String, Identity)>, Closing> {
        let deadline = Instant::now() + LIVE_HELLO_WAIT_MAX;
        let text = loop {
            match tokio::time::timeout_at(deadline, self.stream.recv()).await {
                Err(_) => return Err(Closing::Silent),
                Ok(Some(Ok(AggregatedMessage::Text(text)))) => break text,
                Ok(Some(Ok(AggregatedMessage::Ping(_) | AggregatedMessage::Pong(_)))) => {}
                Ok(Some(Ok(AggregatedMessage::Close(_))) | None) => return Ok(None),
                Ok(Some(Ok(AggregatedMessage::Binary(_)) | Err(_))) => return Err(Closing::Protocol),
            }
        };
        let Ok(Up::Hello(mut hello)) = extract::json::<Up>(text.as_bytes()) else {
            return Err(Closing::Protocol);
        };
        let token = hello.token.take().or(token).ok_or(Closing::Unauthenticated)?;
        match self.state.authenticate(&token).await {
            Ok(identity) => Ok(Some((hello, token, identity))),
            Err(problem) if problem.status() == 401 => Err(Closing::Unauthenticated),
            Err(_) => Err(Closing::GoingAway),
        }
    }

    async fn serve(mut self, session: Session, hello: Hello, token: &str, identity: Identity) {
        let state = Arc::clone(&self.state);
        let Ok(held) = state.live.hold(&state, identity.account_id).await else {
            return close(&state, session, Closing::GoingAway).await;
        };
        let (queue, waiting) = mpsc::channel(LIVE_QUEUE_FRAMES_MAX);
        let id = held.shared.ids.fetch_add(1, Ordering::Relaxed);
        let Identity { account_id, session_id, device_id, expires_at } = identity;
        let connection = Arc::new(Connection::new(id, account_id, session_id, device_id, queue));
        let attached = Attached { held, connection: Arc::clone(&connection) };
        let writer = write(Arc::clone(&state), Arc::clone(&connection), session, waiting);
        let writer = actix_web::rt::spawn(writer);
        let closed = connection.closed();
        tokio::select! {
            () = join(&state, &attached, &hello) => {}
            _ = closed => {}
        }
        // The session may have ended before the socket began to follow what ends it.
        if state.authenticate(token).await.is_err() {
            connection.cut(Closing::Revoked);
        }
        self.exchange(&attached, identity, expires_at).await;
        drop(attached);
        let _ = writer.await;
    }

    /// Takes frames and answers them until the socket ends.
    async fn exchange(&mut self, attached: &Attached, mut identity: Identity, expires_at: Timestamp) {
        let (state, connection) = (Arc::clone(&self.state), &attached.connection);
        let origin = self.origin.clone();
        let mut commands: FuturesUnordered<InProgress<'_>> = FuturesUnordered::new();
        let mut expiry = Instant::now() + until(&state, expires_at);
        let mut heartbeat = tokio::time::interval(LIVE_HEARTBEAT_EVERY);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                biased;
                _ = connection.closed() => return,
                () = tokio::time::sleep_until(expiry) => connection.cut(Closing::Unauthenticated),
                Some(answer) = commands.next(), if !commands.is_empty() => {
                    let put = connection.put(Outgoing::Text(answer));
                    tokio::select! { _ = put => {} _ = connection.closed() => return }
                }
                _ = heartbeat.tick() => {
                    if heard.elapsed() > LIVE_SILENCE_MAX {
                        connection.cut(Closing::Silent);
                    }
                    connection.ping();
                }
                message = self.stream.recv(), if commands.len() < LIVE_COMMANDS_AT_ONCE_MAX => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(AggregatedMessage::Text(text))) => {
                            match extract::json::<Up>(text.as_bytes()) {
                                Ok(Up::Command(frame)) if frame.id.len() <= LIVE_COMMAND_ID_BYTES_MAX => {
                                    commands.push(Box::pin(command(&state, identity, &origin, frame)));
                                }
                                Ok(Up::Authenticate(frame)) => {
                                    let renewed = renew(&state, &identity, &frame.token).await;
                                    match renewed {
                                        Ok(renewed) => identity = renewed,
                                        Err(closing) => connection.cut(closing),
                                    }
                                    expiry = Instant::now() + until(&state, identity.expires_at);
                                    let expires_at = identity.expires_at;
                                    connection.tell(&Down::Authenticated { expires_at }.text());
                                }
                                Ok(other) => self.take(attached, other),
                                Err(problem) => {
                                    let problem = problem.to_json(&origin.request_id);
                                    connection.tell(&Down::Problem(&problem).text());
                                }
                            }
                        }
                        Some(Ok(AggregatedMessage::Ping(bytes))) => connection.pong(bytes),
                        Some(Ok(AggregatedMessage::Pong(_))) => {}
                        Some(Ok(AggregatedMessage::Close(_))) | None => {
                            return connection.cut(Closing::GoingAway);
                        }
                        Some(Ok(AggregatedMessage::Binary(_)) | Err(_)) => connection.cut(Closing::Protocol),
                    }
                }
            }
        }
    }

    /// Takes a frame that is answered by none.
    fn take(&self, attached: &Attached, frame: Up) {
        let connection = &attached.connection;
        let within_rate = |rates: &crate::rates::Rates| rates.account(connection.account_id).admit().is_ok();
        if !self.state.rates.as_ref().is_none_or(within_rate) {
            return;
        }
        let shared = &attached.held.shared;
        match frame {
            Up::Typing(typing) => shared.hub().typing(connection, typing.conversation_id, typing.active),
            Up::Presence(presence) => shared.hub().set_status(connection.account_id, presence.status),
            Up::Watch(watch) if watch.account_ids.len() <= LIVE_WATCHED_MAX => {
                shared.hub().watch(connection, &watch.account_ids);
            }
            // A second hello, or more than the limits allow.
            Up::Hello(_) | Up::Watch(_) | Up::Command(_) | Up::Authenticate(_) => {
                connection.cut(Closing::Protocol);
            }
        }
    }
}

/// A connection that the hub knows; forgotten when this goes.
struct Attached {
    held: Held,
    connection: Arc<Connection>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.held.shared.hub().detach(&self.connection);
    }
}

/// Lets the socket follow, from where the client was if that can be made complete.
async fn join(state: &State, attached: &Attached, hello: &Hello) {
    let Attached { held: Held { shared, .. }, connection } = attached;
    let resumed = match hello.resume_after.as_deref() {
        None => Ok(None),
        Some(text) => match state.cursors.open_place(connection.account_id, text) {
            Ok(place) if place.incarnation == state.incarnation => Ok(Some(place.position)),
            Ok(_) => Err(ResetReason::OtherLog),
            Err(_) => Err(ResetReason::Unreadable),
        },
    };
    let reason = match resumed {
        Ok(Some(after)) => {
            connection.welcome(Some(after));
            match catch_up(shared, connection, Some(after)).await {
                Ok(()) => return,
                Err(reason) => Some(reason),
            }
        }
        Ok(None) => None,
        Err(reason) => Some(reason),
    };
    if let Some(reason) = reason {
        connection.put(Outgoing::Text(Down::Reset { reason }.text())).await;
    }
    let mut hub = shared.hub();
    let position = hub.position();
    connection.welcome(position);
    hub.attach(connection, position);
}

async fn command(state: &State, identity: Identity, origin: &Origin, frame: CommandFrame) -> Arc<str> {
    let answer = invoke(state, identity, origin, &frame.invocation).await;
    Down::Answer { id: &frame.id, answer: &answer }.text()
}

/// A new access token of the same session.
async fn renew(state: &State, identity: &Identity, token: &str) -> Result<Identity, Closing> {
    let renewed = state.authenticate(token).await.map_err(|_| Closing::Unauthenticated)?;
    let is_same = renewed.account_id == identity.account_id && renewed.session_id == identity.session_id;
    if is_same { Ok(renewed) } else { Err(Closing::Protocol) }
}

fn until(state: &State, at: Timestamp) -> Duration {
    let micros = at.as_micros().saturating_sub(state.clock.now().as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// Empties a connection's queue into its socket until one of them ends.
async fn write(
    state: Arc<State>,
    connection: Arc<Connection>,
    mut session: Session,
    mut waiting: Receiver<Outgoing>,
) {
    let closing = loop {
        let outgoing = tokio::select! {
            biased;
            closing = connection.closed() => break closing,
            outgoing = waiting.recv() => outgoing,
        };
        let Some(outgoing) = outgoing else { break Closing::GoingAway };
        let sent = async {
            match outgoing {
                Outgoing::Ping => session.ping(b"").await.map_err(|_| Closing::GoingAway),
                Outgoing::Pong(bytes) => session.pong(&bytes).await.map_err(|_| Closing::GoingAway),
                outgoing => {
                    let text = text(&state, &connection, outgoing).await?;
                    session.text(text).await.map_err(|_| Closing::GoingAway)
                }
            }
        };
        let sent = tokio::select! {
            sent = sent => sent,
            closing = connection.closed() => break closing,
        };
        if let Err(closing) = sent {
            connection.cut(closing);
        }
    };
    close(&state, session, closing).await;
}

async fn text(state: &State, connection: &Connection, outgoing: Outgoing) -> Result<String, Closing> {
    let cursor = |position: Position| {
        let place = Place { incarnation: state.incarnation, position };
        state.cursors.seal_place(connection.account_id, place).map_err(|_| Closing::GoingAway)
    };
    Ok(match outgoing {
        Outgoing::Event(entry) => {
            let text = entry.text(&state.sealer).await.map_err(|error| {
                // Left out, it would be a gap: the client comes again, by then it may open.
                tracing::error!(error = &error as &dyn std::error::Error, "an event cannot be shown");
                Closing::GoingAway
            })?;
            format!(r#"{{"event":{{"cursor":"{}","event":{text}}}}}"#, cursor(entry.position())?)
        }
        Outgoing::Welcome(position) => {
            let cursor = position.map(cursor).transpose()?;
            let heartbeat_seconds = LIVE_HEARTBEAT_EVERY.as_secs();
            Down::Welcome { cursor: cursor.as_deref(), heartbeat_seconds }.text().to_string()
        }
        Outgoing::Cursor(position) => Down::Cursor { cursor: &cursor(position)? }.text().to_string(),
        Outgoing::Text(text) => text.to_string(),
        Outgoing::Ping | Outgoing::Pong(_) => String::new(),
    })
}

async fn close(state: &State, session: Session, closing: Closing) {
    state.metrics.live_closed.with_label_values(&[closing.label()]).inc();
    let code = match closing {
        Closing::GoingAway => CloseCode::Away,
        other => CloseCode::Other(other.code()),
    };
    let reason = CloseReason { code, description: Some(closing.text().to_owned()) };
    let _ = tokio::time::timeout(LIVE_CLOSE_WAIT_MAX, session.close(Some(reason))).await;
}
