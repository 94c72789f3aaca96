//! One live socket, from its first frame to its end.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_ws::{AggregatedMessage, AggregatedMessageStream, Message, ProtocolError, Session};
use bytes::Bytes;
use domain::Timestamp;
use eventstore_schema::Position;
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::close::Close;
use super::event::{LiveEvent, RenderError};
use super::frames::{self, Authenticate, Down, Hello, ResetReason, Up};
use super::hub::{Delivery, Joined, Seat};
use crate::budget::Budget;
use crate::cursor::Place;
use crate::extract::{Identity, Origin};
use crate::invoke::{Answered, Invocation, attempt};
use crate::limits::{
    LIVE_BAD_FRAMES_MAX, LIVE_COMMANDS_AT_ONCE_MAX, LIVE_DELIVERIES_AT_ONCE_MAX, LIVE_HELLO_WAIT_MAX,
    LIVE_KEY_TRIES_MAX, LIVE_RECEIPTS_AT_ONCE_MAX, LIVE_RETRY, LIVE_SIGNALS_PER_WINDOW_MAX,
    LIVE_SIGNALS_WINDOW, LIVE_WRITE_WAIT_MAX,
};
use crate::problem::{Code, Problem};
use crate::rates::Subject;
use crate::state::State;

/// The way down to a client.
pub struct Line {
    pub state: Arc<State>,
    pub origin: Origin,
    /// Everything up to here was sent, or is not for this account.
    pub sent_up_to: Option<Position>,
    identity: Option<Identity>,
    session: Session,
    /// Where the hub says that it is over; from when the socket follows.
    end: Option<oneshot::Receiver<Close>>,
}

impl Line {
    /// Why to close, when it is said.
    async fn ended(end: &mut Option<oneshot::Receiver<Close>>) -> Close {
        let Some(receiver) = end else { return pending().await };
        let close = receiver.await.unwrap_or(Close::GoingAway);
        *end = None;
        close
    }

    /// Sends a message. Waits for a client that does not read, up to a limit, or until the hub ends it.
    async fn put(&mut self, message: Message) -> Result<(), Close> {
        tokio::select! {
            biased;
            close = Self::ended(&mut self.end) => Err(close),
            sent = timeout(LIVE_WRITE_WAIT_MAX, self.session.send(message)) => match sent {
                Ok(sent) => sent.map_err(|_| Close::ByClient),
                Err(_) => Err(Close::SlowConsumer),
            },
        }
    }

    async fn text(&mut self, text: String) -> Result<(), Close> {
        self.put(Message::Text(text.into())).await
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the client is gone, does not read, or the socket was ended.
    pub async fn frame(&mut self, frame: &Down<'_>) -> Result<(), Close> {
        self.text(frame.to_text()).await
    }

    /// Refuses a frame.
    async fn refuse(&mut self, id: Option<&str>, problem: &Problem) -> Result<(), Close> {
        problem.log(&self.origin.request_id);
        let problem = problem.to_json(&self.origin.request_id);
        self.frame(&Down::Problem { id, problem: &problem }).await
    }

    /// The cursor of a position, for this account only.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub fn cursor(&self, position: Option<Position>) -> Result<Option<String>, Close> {
        let Some((identity, position)) = self.identity.zip(position) else { return Ok(None) };
        let place = Place { incarnation: self.state.incarnation, position };
        let sealed = self.state.cursors.seal_place(identity.account_id, place);
        sealed.map(Some).map_err(|problem| self.failed(&problem))
    }

    /// Sends an event.
    ///
    /// # Errors
    /// As [`Line::frame`], and when its key cannot be had.
    pub async fn event(&mut self, event: &LiveEvent) -> Result<(), Close> {
        let position = Some(event.position());
        let json = self.json(event).await?;
        let cursor = self.cursor(position)?.unwrap_or_default();
        let text = frames::event(&cursor, &json).ok_or(Close::Unavailable)?;
        self.text(text).await?;
        self.sent_up_to = position;
        self.state.metrics.live_events.inc();
        Ok(())
    }

    async fn json(&mut self, event: &LiveEvent) -> Result<Bytes, Close> {
        for _ in 0..LIVE_KEY_TRIES_MAX {
            match event.json(&self.state.sealer).await {
                Ok(json) => return Ok(json),
                Err(RenderError::Unavailable(error)) => {
                    tracing::warn!(%error, "a live event waits for its key");
                    tokio::select! {
                        biased;
                        close = Self::ended(&mut self.end) => return Err(close),
                        () = sleep(LIVE_RETRY) => {}
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "a live event cannot be shown");
                    return Err(Close::Unavailable);
                }
            }
        }
        Err(Close::Unavailable)
    }

    /// Tells the client that nothing up to `position` is outstanding, if that is news.
    ///
    /// # Errors
    /// As [`Line::frame`].
    pub async fn progress(&mut self, position: Option<Position>) -> Result<(), Close> {
        if position <= self.sent_up_to {
            return Ok(());
        }
        self.sent_up_to = position;
        match self.cursor(position)? {
            Some(cursor) => self.frame(&Down::Cursor { cursor: &cursor }).await,
            None => Ok(()),
        }
    }

    /// Notes what could not be reached; the client resumes later.
    pub fn unavailable(&self, error: &dyn std::error::Error) -> Close {
        tracing::warn!(request_id = self.origin.request_id, %error, "a live socket cannot follow");
        Close::Unavailable
    }

    /// Notes a failure; the client resumes later.
    pub fn failed(&self, problem: &Problem) -> Close {
        problem.log(&self.origin.request_id);
        Close::Unavailable
    }
}

/// A command in progress, with what its client calls it.
type InProgress<'a> = Pin<Box<dyn Future<Output = (String, Result<Answered, Problem>)> + 'a>>;

/// One socket.
pub struct Socket {
    line: Line,
    stream: AggregatedMessageStream,
    bad_frames: u32,
    signals: Window,
    heard: Instant,
}

/// What a socket that follows goes by.
struct Following {
    identity: Identity,
    seat: Seat,
}

impl Socket {
    /// A socket that was just opened.
    pub fn new(state: Arc<State>, origin: Origin, session: Session, stream: AggregatedMessageStream) -> Self {
        let line = Line { state, origin, sent_up_to: None, identity: None, session, end: None };
        Self { line, stream, bad_frames: 0, signals: Window::new(), heard: Instant::now() }
    }

    /// Serves the socket until it ends; `identity` is who the handshake proved.
    pub async fn run(mut self, identity: Option<Identity>) {
        let Err(close) = self.serve(identity).await;
        let Line { state, session, .. } = self.line;
        state.metrics.live_closed.with_label_values(&[close.name()]).inc();
        // A client that does not read does not learn why; it resumes all the same.
        let _ = timeout(state.live.bounds.close_wait, session.close(Some(close.into()))).await;
    }

    async fn serve(&mut self, proved: Option<Identity>) -> Result<std::convert::Infallible, Close> {
        let hello = self.hello().await?;
        let identity = match &hello.token {
            Some(token) => self.authenticate(token).await?,
            None => proved.ok_or(Close::Unauthenticated)?,
        };
        self.line.identity = Some(identity);
        let owned = self.line.state.live.sockets.of(identity.account_id).ok_or(Close::TooManyConnections)?;
        let Joined { seat, mut queue, end } =
            self.line.join(&identity, &owned.permits, hello.resume_after.as_deref()).await?;
        self.line.end = Some(end);
        let mut following = Following { identity, seat };
        let state = Arc::clone(&self.line.state);
        let origin = self.line.origin.clone();
        let mut commands: FuturesUnordered<InProgress<'_>> = FuturesUnordered::new();
        // Apart from the others, which they would hold up: they wait for one another to be recorded together.
        let mut receipts: FuturesUnordered<InProgress<'_>> = FuturesUnordered::new();
        let mut heartbeat = tokio::time::interval(state.live.bounds.heartbeat);
        heartbeat.reset();
        self.heard = Instant::now();
        loop {
            let expiry = Instant::now() + until(&state, following.identity.expires_at);
            tokio::select! {
                biased;
                close = Line::ended(&mut self.line.end) => return Err(close),
                () = sleep_until(expiry) => return Err(Close::TokenExpired),
                _ = heartbeat.tick() => {
                    // In this order: what was routed up to the position is in the queue, or was taken out of it.
                    let position = state.live.hub.position();
                    let reached = if queue.is_empty() { position } else { None };
                    self.beat(reached).await?;
                }
                Some((id, result)) = commands.next(), if !commands.is_empty() => {
                    self.answer(&id, result).await?;
                }
                Some((id, result)) = receipts.next(), if !receipts.is_empty() => {
                    self.answer(&id, result).await?;
                }
                message = self.stream.recv(), if commands.len() < LIVE_COMMANDS_AT_ONCE_MAX
                    && receipts.len() < LIVE_RECEIPTS_AT_ONCE_MAX =>
                {
                    let Some(frame) = self.message(message).await? else { continue };
                    let kin = if matches!(frame, Up::Receipt(_)) { &receipts } else { &commands };
                    if let Some((id, invocation)) = self.take(frame, &mut following).await? {
                        kin.push(command(&state, &origin, following.identity, id, invocation));
                    }
                }
                delivery = queue.recv() => {
                    self.deliver(&following.identity, delivery.ok_or(Close::GoingAway)?).await?;
                    for _ in 1..LIVE_DELIVERIES_AT_ONCE_MAX {
                        let Ok(delivery) = queue.try_recv() else { break };
                        self.deliver(&following.identity, delivery).await?;
                    }
                }
            }
        }
    }

    /// Waits for the first frame.
    async fn hello(&mut self) -> Result<Hello, Close> {
        let deadline = Instant::now() + LIVE_HELLO_WAIT_MAX;
        loop {
            let message = timeout_at(deadline, self.stream.recv()).await.map_err(|_| Close::Silent)?;
            match self.message(message).await? {
                Some(Up::Hello(hello)) => return Ok(hello),
                Some(other) => {
                    let problem = Problem::field("type", "hello is expected first");
                    self.bad_frame(other.id(), &problem).await?;
                }
                None => {}
            }
        }
    }

    async fn authenticate(&mut self, token: &str) -> Result<Identity, Close> {
        match self.line.state.authenticate(token).await {
            Ok(identity) => Ok(identity),
            Err(problem) => {
                self.line.refuse(None, &problem).await?;
                Err(if problem.status() == 401 { Close::Unauthenticated } else { Close::Unavailable })
            }
        }
    }

    /// Reads what came in; `None` for what needs no more.
    async fn message(
        &mut self,
        message: Option<Result<AggregatedMessage, ProtocolError>>,
    ) -> Result<Option<Up>, Close> {
        self.heard = Instant::now();
        let text = match message {
            Some(Ok(AggregatedMessage::Text(text))) => text,
            Some(Ok(AggregatedMessage::Ping(bytes))) => {
                self.line.put(Message::Pong(bytes)).await?;
                return Ok(None);
            }
            Some(Ok(AggregatedMessage::Pong(_))) => return Ok(None),
            Some(Ok(AggregatedMessage::Binary(_))) => {
                let problem = Problem::from(Code::MalformedJson).detail("text frames are expected");
                return self.bad_frame(None, &problem).await.map(|()| None);
            }
            Some(Ok(AggregatedMessage::Close(_))) | None => return Err(Close::ByClient),
            Some(Err(ProtocolError::Overflow)) => {
                self.line.refuse(None, &Code::BodyTooLarge.into()).await?;
                return Err(Close::FrameTooLarge);
            }
            Some(Err(_)) => return Err(Close::BadFrames),
        };
        match Up::read(&text) {
            Ok(frame) => {
                self.line.state.metrics.live_frames.with_label_values(&[frame.name()]).inc();
                self.bad_frames = 0;
                Ok(Some(frame))
            }
            Err(bad) => {
                self.line.state.metrics.live_frames.with_label_values(&["bad"]).inc();
                self.bad_frame(bad.id.as_deref(), &bad.problem).await.map(|()| None)
            }
        }
    }

    /// Refuses a frame that is none; after a few in a row, the socket.
    async fn bad_frame(&mut self, id: Option<&str>, problem: &Problem) -> Result<(), Close> {
        self.line.refuse(id, problem).await?;
        self.bad_frames += 1;
        if self.bad_frames >= LIVE_BAD_FRAMES_MAX { Err(Close::BadFrames) } else { Ok(()) }
    }

    /// Acts on a frame; the command to execute, if it is one.
    async fn take(
        &mut self,
        frame: Up,
        following: &mut Following,
    ) -> Result<Option<(String, Invocation)>, Close> {
        let new_key = || self.line.state.clock.new_id::<uuid::Uuid>().to_string();
        match frame {
            Up::Command(frame) => return Ok(Some((frame.id, frame.invocation))),
            Up::Send(frame) => {
                let (to, key) = (frame.conversation_id, frame.message_id);
                let send = Invocation::on_conversation("messages.send_message", to, key, frame.body);
                return Ok(Some((frame.id, send)));
            }
            Up::Receipt(frame) => {
                // Watermarks never fall: recording one again changes nothing, so each frame is a command of its own.
                let (of, key) = (frame.conversation_id, new_key());
                let record = Invocation::on_conversation("messages.record_receipt", of, key, frame.body);
                return Ok(Some((frame.id, record)));
            }
            Up::Authenticate(frame) => self.renew(frame, following).await?,
            Up::Typing(frame) => {
                if self.may_signal(following).await?
                    && let Err(refused) = following.seat.typing(frame.conversation_id, frame.active)
                {
                    self.line.refuse(None, &refused.into()).await?;
                }
            }
            Up::Presence(frame) => {
                if self.may_signal(following).await? {
                    following.seat.presence(frame.status);
                }
            }
            Up::Ping(frame) => {
                if let Err(problem) = self.count(following) {
                    self.line.refuse(frame.id.as_deref(), &problem).await?;
                } else {
                    self.line.frame(&Down::Pong { id: frame.id.as_deref() }).await?;
                }
            }
            Up::Hello(_) => {
                self.bad_frame(None, &Problem::field("type", "hello was said already")).await?;
            }
        }
        Ok(None)
    }

    /// Counts a frame against the account's rate.
    fn count(&self, following: &Following) -> Result<(), Problem> {
        self.line.state.count(Subject::Account(following.identity.account_id)).admit()
    }

    /// Counts a signal; one too many is refused.
    async fn may_signal(&mut self, following: &Following) -> Result<bool, Close> {
        let problem = match self.count(following) {
            Ok(()) if self.signals.admit() => return Ok(true),
            Ok(()) => Problem::from(Code::RateLimited).retry_after(LIVE_SIGNALS_WINDOW),
            Err(problem) => problem,
        };
        self.line.refuse(None, &problem).await.map(|()| false)
    }

    /// Takes a new token of the same session.
    async fn renew(&mut self, frame: Authenticate, following: &mut Following) -> Result<(), Close> {
        let before = following.identity;
        let state = Arc::clone(&self.line.state);
        let counted = state.count(Subject::Account(before.account_id));
        let renewed = match counted.admit() {
            Ok(()) => counted.concluded(state.authenticate(&frame.token).await),
            Err(problem) => Err(problem),
        };
        let is_same =
            |new: &Identity| new.account_id == before.account_id && new.session_id == before.session_id;
        match renewed {
            Ok(renewed) if is_same(&renewed) => {
                following.identity = renewed;
                following.seat.rebind(renewed.device_id);
                let expires_at = renewed.expires_at;
                self.line.frame(&Down::Authenticated { id: &frame.id, expires_at }).await
            }
            Ok(_) => {
                let problem = Problem::from(Code::Unauthenticated).detail("the token is of another session");
                self.line.refuse(Some(&frame.id), &problem).await
            }
            Err(problem) => self.line.refuse(Some(&frame.id), &problem).await,
        }
    }

    async fn answer(&mut self, id: &str, result: Result<Answered, Problem>) -> Result<(), Close> {
        match result {
            Ok(answered) => self.line.frame(&Down::Result { id, answered: &answered }).await,
            Err(problem) => self.line.refuse(Some(id), &problem).await,
        }
    }

    async fn deliver(&mut self, identity: &Identity, delivery: Delivery) -> Result<(), Close> {
        match delivery {
            Delivery::Event(event) if event.is_undecodable() => {
                let (reason, position) = (ResetReason::Undecodable, Some(event.position()));
                self.line.reset(identity, reason, position).await
            }
            Delivery::Event(event) => self.line.event(&event).await,
            Delivery::Signal(text) => self.line.text(text.to_string()).await,
        }
    }

    /// Asks whether the client is there, and tells it how far it has come, so that it resumes from close by.
    async fn beat(&mut self, reached: Option<Position>) -> Result<(), Close> {
        if self.heard.elapsed() > self.line.state.live.bounds.silence {
            return Err(Close::Silent);
        }
        self.line.put(Message::Ping(Bytes::new())).await?;
        self.line.progress(reached).await
    }
}

fn command<'a>(
    state: &'a State,
    origin: &'a Origin,
    identity: Identity,
    id: String,
    invocation: Invocation,
) -> InProgress<'a> {
    Box::pin(async move {
        let deadline = Budget::default().deadline();
        let result = attempt(state, identity, origin, &invocation, deadline).await;
        (id, result)
    })
}

/// How long it is until `at`; nothing when that is over.
pub fn until(state: &State, at: Timestamp) -> Duration {
    let micros = at.as_micros().saturating_sub(state.clock.now().as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// Counts signals in a window.
struct Window {
    began: Instant,
    count: u32,
}

impl Window {
    fn new() -> Self {
        Self { began: Instant::now(), count: 0 }
    }

    fn admit(&mut self) -> bool {
        if self.began.elapsed() > LIVE_SIGNALS_WINDOW {
            *self = Self::new();
        }
        self.count += 1;
        self.count <= LIVE_SIGNALS_PER_WINDOW_MAX
    }
}
