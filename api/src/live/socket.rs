//! One live socket, from its first frame to its end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_http::ws::Message;
use bytes::Bytes;
use domain::Timestamp;
use eventstore_schema::Position;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::Owned;
use super::close::Close;
use super::event::LiveEvent;
use super::frames::{Authenticate, Down, Hello, ResetReason, Up};
use super::hub::{Joined, Seat};
use super::line::Line;
use super::outbox::Outbox;
use super::wire::{Broken, Incoming, Wire};
use crate::budget::Budget;
use crate::extract::{Identity, Origin};
use crate::invoke::{Answered, Invocation, attempt};
use crate::limits::{
    LIVE_BAD_FRAMES_MAX, LIVE_COMMANDS_AT_ONCE_MAX, LIVE_DELIVERIES_AT_ONCE_MAX, LIVE_HELLO_WAIT_MAX,
    LIVE_RECEIPTS_AT_ONCE_MAX, LIVE_SIGNALS_PER_WINDOW_MAX, LIVE_SIGNALS_UNREAD_MAX, LIVE_SIGNALS_WINDOW,
};
use crate::problem::{Code, Problem};
use crate::rates::Subject;
use crate::state::State;

/// A command in progress, with what its client calls it.
type InProgress<'a> = Pin<Box<dyn Future<Output = (String, Result<Answered, Problem>)> + 'a>>;

/// One socket.
pub struct Socket {
    line: Line,
    bad_frames: u32,
    signals: Window,
    /// Signals sent since the client last showed that it reads.
    unread_signals: u32,
    heard: Instant,
}

/// What a socket that follows goes by.
struct Following {
    identity: Identity,
    seat: Seat,
    /// It counts among its account's.
    _owned: Owned,
}

impl Socket {
    /// A socket that was just opened.
    pub fn new(state: Arc<State>, origin: Origin, wire: Wire) -> Self {
        let line = Line { state, origin, identity: None, sent_up_to: None, outbox: None, wire };
        Self { line, bad_frames: 0, signals: Window::new(), unread_signals: 0, heard: Instant::now() }
    }

    /// Serves the socket until it ends; `identity` is who the handshake proved.
    pub async fn run(mut self, identity: Option<Identity>) {
        let Err(close) = self.serve(identity).await;
        let Line { state, wire, .. } = self.line;
        state.metrics.live_closed.with_label_values(&[close.name()]).inc();
        // A client that does not read does not learn why; it resumes all the same.
        let _ = timeout(state.live.bounds.close_wait, wire.close(close.into())).await;
    }

    async fn serve(&mut self, proved: Option<Identity>) -> Result<std::convert::Infallible, Close> {
        // Apart, so that an idle socket has no memory for what it did before.
        let (mut following, outbox) = Box::pin(self.begin(proved)).await?;
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
                close = outbox.ended() => return Err(close),
                () = sleep_until(expiry) => return Err(Close::TokenExpired),
                _ = heartbeat.tick() => {
                    // In this order: what was routed up to the position is in the outbox, or was taken out of it.
                    let position = state.live.hub.position();
                    let reached = if outbox.is_empty() { position } else { None };
                    self.beat(reached).await?;
                }
                Some((id, result)) = commands.next(), if !commands.is_empty() => {
                    self.answer(&id, result).await?;
                }
                Some((id, result)) = receipts.next(), if !receipts.is_empty() => {
                    self.answer(&id, result).await?;
                }
                message = self.line.wire.next(), if commands.len() < LIVE_COMMANDS_AT_ONCE_MAX
                    && receipts.len() < LIVE_RECEIPTS_AT_ONCE_MAX =>
                {
                    let Some(frame) = self.message(message).await? else { continue };
                    let kin = if matches!(frame, Up::Receipt(_)) { &receipts } else { &commands };
                    if let Some((id, invocation)) = Box::pin(self.take(frame, &mut following)).await? {
                        kin.push(command(&state, &origin, following.identity, id, invocation));
                    }
                }
                event = outbox.event() => {
                    self.deliver(&following.identity, &event).await?;
                    for _ in 1..LIVE_DELIVERIES_AT_ONCE_MAX {
                        let Some(event) = outbox.try_event() else { break };
                        self.deliver(&following.identity, &event).await?;
                    }
                }
                // Last, and while its client reads: signals are lost before anything waits for them.
                signal = outbox.signal(), if self.unread_signals < LIVE_SIGNALS_UNREAD_MAX => {
                    self.signal(&signal)?;
                }
            }
        }
    }

    /// Hears who it is and lets it follow from where its client was.
    async fn begin(&mut self, proved: Option<Identity>) -> Result<(Following, Arc<Outbox>), Close> {
        let hello = self.hello().await?;
        let identity = match &hello.token {
            Some(token) => self.authenticate(token).await?,
            None => proved.ok_or(Close::Unauthenticated)?,
        };
        self.line.identity = Some(identity);
        let owned = self.line.state.live.sockets.of(identity.account_id).ok_or(Close::TooManyConnections)?;
        let joined = self.line.join(&identity, &owned.permits, hello.resume_after.as_deref()).await?;
        let Joined { seat, outbox } = joined;
        self.line.outbox = Some(Arc::clone(&outbox));
        Ok((Following { identity, seat, _owned: owned }, outbox))
    }

    /// Waits for the first frame.
    async fn hello(&mut self) -> Result<Hello, Close> {
        let deadline = Instant::now() + LIVE_HELLO_WAIT_MAX;
        loop {
            // Also for one that always has something to say.
            if Instant::now() >= deadline {
                return Err(Close::Silent);
            }
            let message = timeout_at(deadline, self.line.wire.next()).await.map_err(|_| Close::Silent)?;
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
    async fn message(&mut self, message: Result<Incoming, Broken>) -> Result<Option<Up>, Close> {
        self.heard = Instant::now();
        // Others have a turn, however much this client says.
        tokio::task::coop::consume_budget().await;
        let text = match message {
            Ok(Incoming::Text(text)) => text,
            Ok(Incoming::Ping(bytes)) => {
                self.line.put(Message::Pong(bytes)).await?;
                return Ok(None);
            }
            Ok(Incoming::Pong) => {
                self.unread_signals = 0;
                return Ok(None);
            }
            Ok(Incoming::Binary) => {
                let problem = Problem::from(Code::MalformedJson).detail("text frames are expected");
                return self.bad_frame(None, &problem).await.map(|()| None);
            }
            Ok(Incoming::Close) => return Err(Close::ByClient),
            Err(broken) => {
                if matches!(broken, Broken::TooLarge) {
                    self.line.refuse(None, &Code::BodyTooLarge.into()).await?;
                }
                return Err(broken.into());
            }
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

    async fn deliver(&mut self, identity: &Identity, event: &LiveEvent) -> Result<(), Close> {
        if event.is_undecodable() {
            let (reason, position) = (ResetReason::Undecodable, Some(event.position()));
            return self.line.reset(identity, reason, position).await;
        }
        self.line.event(event).await
    }

    /// Sends a signal, or loses it. After a few the client has to show that it reads: a pong says so, of this ping or of the next
    /// heartbeat's.
    fn signal(&mut self, frame: &str) -> Result<(), Close> {
        let text = Message::Text(frame.to_owned().into());
        self.unread_signals =
            if self.line.try_put(text)? { self.unread_signals + 1 } else { LIVE_SIGNALS_UNREAD_MAX };
        if self.unread_signals == LIVE_SIGNALS_UNREAD_MAX {
            self.line.try_put(Message::Ping(Bytes::new()))?;
        }
        Ok(())
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
