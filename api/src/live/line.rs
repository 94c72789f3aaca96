//! The way down to one client.

use std::sync::Arc;
use std::time::Duration;

use actix_http::ws::Message;
use bytes::Bytes;
use eventstore_schema::Position;
use tokio::time::{sleep, timeout};

use super::close::Close;
use super::event::{LiveEvent, RenderError};
use super::frames::{self, Down};
use super::outbox::Outbox;
use super::wire::{Broken, Wire};
use crate::cursor::Place;
use crate::extract::{Identity, Origin};
use crate::limits::{LIVE_KEY_TRIES_MAX, LIVE_RETRY, LIVE_WRITE_WAIT_MAX};
use crate::problem::Problem;
use crate::state::State;

/// The way down to a client.
pub struct Line {
    pub state: Arc<State>,
    pub origin: Origin,
    /// Whose; from when it is proved.
    pub identity: Option<Identity>,
    /// Everything up to here was sent, or is not for this account.
    pub sent_up_to: Option<Position>,
    /// What the hub has for it, and where it says that it is over; from when the socket follows.
    pub outbox: Option<Arc<Outbox>>,
    /// The connection.
    pub wire: Wire,
}

impl From<Broken> for Close {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Gone => Close::ByClient,
            Broken::TooLarge => Close::FrameTooLarge,
            Broken::Malformed => Close::BadFrames,
        }
    }
}

impl Line {
    /// Sends a message. Waits for a client that does not read, up to a limit, or until the hub ends it.
    ///
    /// # Errors
    /// When the client is gone, does not read, or the socket was ended.
    pub async fn put(&mut self, message: Message) -> Result<(), Close> {
        if let Some(close) = self.outbox.as_ref().and_then(|outbox| outbox.end_reason()) {
            return Err(close);
        }
        // Others have a turn, however fast this client reads.
        tokio::task::coop::consume_budget().await;
        self.wire.put(message)?;
        if self.wire.try_flush()? {
            return Ok(());
        }
        // Apart, as everything that an idle socket has no use for.
        Box::pin(self.flush()).await
    }

    async fn flush(&mut self) -> Result<(), Close> {
        let outbox = self.outbox.clone();
        let flushed = timeout(LIVE_WRITE_WAIT_MAX, self.wire.flush());
        match unless_ended(outbox.as_deref(), flushed).await? {
            Ok(flushed) => Ok(flushed?),
            Err(_) => Err(Close::SlowConsumer),
        }
    }

    /// Sends a message that may be lost: whether there was room for it.
    ///
    /// # Errors
    /// When the client is gone.
    pub fn try_put(&mut self, message: Message) -> Result<bool, Close> {
        if !self.wire.try_flush()? {
            return Ok(false);
        }
        self.wire.put(message)?;
        self.wire.try_flush()?;
        Ok(true)
    }

    async fn text(&mut self, text: String) -> Result<(), Close> {
        self.put(Message::Text(text.into())).await
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// As [`Line::put`].
    pub async fn frame(&mut self, frame: &Down<'_>) -> Result<(), Close> {
        self.text(frame.to_text()).await
    }

    /// Refuses a frame.
    ///
    /// # Errors
    /// As [`Line::put`].
    pub async fn refuse(&mut self, id: Option<&str>, problem: &Problem) -> Result<(), Close> {
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
    /// As [`Line::put`], and when its key cannot be had.
    pub async fn event(&mut self, event: &LiveEvent) -> Result<(), Close> {
        let position = Some(event.position());
        let json = match event.written_json(&self.state.sealer) {
            Some(json) => json,
            None => Box::pin(self.json(event)).await?,
        };
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
                    self.pause(LIVE_RETRY).await?;
                }
                Err(error) => {
                    tracing::error!(%error, "a live event cannot be shown");
                    return Err(Close::Unavailable);
                }
            }
        }
        Err(Close::Unavailable)
    }

    async fn pause(&self, time: Duration) -> Result<(), Close> {
        unless_ended(self.outbox.as_deref(), sleep(time)).await
    }

    /// Tells the client that nothing up to `position` is outstanding, if that is news.
    ///
    /// # Errors
    /// As [`Line::put`].
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

/// Waits for something, or until the hub ends the socket.
async fn unless_ended<T>(outbox: Option<&Outbox>, waited: impl Future<Output = T>) -> Result<T, Close> {
    let Some(outbox) = outbox else { return Ok(waited.await) };
    tokio::select! {
        biased;
        close = outbox.ended() => Err(close),
        came = waited => Ok(came),
    }
}
