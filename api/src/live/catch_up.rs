//! Lets a socket follow the feed from where its client was: with everything in between, or with an explicit reset.

use std::sync::Arc;

use commands::executor::StandingSession;
use eventstore_schema::{Position, ReadFilter};
use projections::{Item, conversations};
use tokio::time::{Instant, timeout, timeout_at};

use super::audience::Proved;
use super::close::Close;
use super::event::LiveEvent;
use super::frames::{Down, ResetReason};
use super::hub::{Attach, Joined};
use super::sight::{Look, Sight};
use super::socket::Line;
use super::terms;
use crate::extract::Identity;
use crate::limits::{
    LIVE_CATCH_UP_PAGE_EVENTS, LIVE_CATCH_UP_WAIT_MAX, LIVE_HEARTBEAT_EVERY, LIVE_RESETS_MAX,
    MIN_POSITION_WAIT_MAX,
};

/// How an attempt to follow ended.
enum Caught {
    /// The socket follows.
    Up(Joined),
    /// Something was missed.
    Missed(ResetReason),
}

impl Line {
    /// Welcomes the client and lets the socket follow.
    ///
    /// # Errors
    /// Why the socket has to close instead.
    pub async fn join(&mut self, identity: &Identity, resume_after: Option<&str>) -> Result<Joined, Close> {
        let (mut after, mut missed) = match resume_after {
            None => (self.state.live.hub.position(), None),
            Some(text) => match self.resume(identity, text).await? {
                Ok(position) => (Some(position), None),
                Err(reason) => (self.state.live.hub.position(), Some(reason)),
            },
        };
        self.welcome(identity, after).await?;
        for _ in 0..LIVE_RESETS_MAX {
            if let Some(reason) = missed.take() {
                self.reset(identity, reason, after).await?;
            }
            match self.catch_up(identity, after).await? {
                Caught::Up(joined) => return Ok(joined),
                Caught::Missed(reason) => missed = Some(reason),
            }
            after = self.state.live.hub.position();
        }
        Err(Close::Unavailable)
    }

    /// The position that a cursor stands for, if it can be resumed from.
    async fn resume(&self, identity: &Identity, text: &str) -> Result<Result<Position, ResetReason>, Close> {
        let state = &self.state;
        let Ok(place) = state.cursors.open_place(identity.account_id, text) else {
            return Ok(Err(ResetReason::Unreadable));
        };
        if place.incarnation != state.incarnation {
            return Ok(Err(ResetReason::OtherLog));
        }
        if Some(place.position) > state.live.hub.position() {
            // Another node may have been quicker; a log that ends before its own cursors lost events.
            let head = state.live.feed.log().head().await.map_err(|error| self.unavailable(&error))?;
            if Some(place.position) > head.position {
                return Ok(Err(ResetReason::OtherLog));
            }
        }
        Ok(Ok(place.position))
    }

    async fn welcome(&mut self, identity: &Identity, after: Option<Position>) -> Result<(), Close> {
        let cursor = self.cursor(after)?;
        let Identity { account_id, session_id, device_id, expires_at } = *identity;
        let (cursor, heartbeat_seconds) = (cursor.as_deref(), LIVE_HEARTBEAT_EVERY.as_secs());
        self.sent_up_to = after;
        self.frame(&Down::Welcome {
            cursor,
            account_id,
            session_id,
            device_id,
            expires_at,
            heartbeat_seconds,
        })
        .await
    }

    /// Tells the client that it missed something, and from where on it misses nothing.
    ///
    /// # Errors
    /// As [`Line::frame`].
    pub async fn reset(
        &mut self,
        identity: &Identity,
        reason: ResetReason,
        after: Option<Position>,
    ) -> Result<(), Close> {
        tracing::debug!(account = %identity.account_id, reason = reason.as_str(), "a live socket is reset");
        self.state.metrics.live_resets.with_label_values(&[reason.as_str()]).inc();
        let cursor = self.cursor(after)?;
        self.sent_up_to = after;
        self.frame(&Down::Reset { reason, cursor: cursor.as_deref() }).await
    }

    /// What the account sees behind `after`.
    async fn sight(&self, identity: &Identity, after: Option<Position>) -> Result<Sight, Close> {
        let state = &self.state;
        if let Some(position) = after {
            let shown = state.projections.wait_for("conversations", position, MIN_POSITION_WAIT_MAX);
            shown.await.map_err(|error| self.unavailable(&error))?;
        }
        // Whether the session had ended by now; from `after` on, which is no later, its end is met as an event.
        let Identity { account_id, session_id, device_id, .. } = *identity;
        let standing =
            state.services.executor.standing_session(session_id, account_id, device_id, state.clock.now());
        let standing = standing.await.map_err(|error| self.unavailable(&error))?;
        let StandingSession { device_id, password_revision } = standing.ok_or(Close::SessionEnded)?;
        let reader = match after {
            Some(position) => state.read_models.showing(&["conversations"], position),
            None => state.read_models.now(),
        };
        let spans = conversations::queries::spans(&reader, account_id).await;
        let spans = spans.map_err(|error| self.unavailable(&error))?;
        let seen = terms::look(state, account_id, spans).await;
        let (spans, ended) = seen.map_err(|problem| self.failed(&problem))?;
        let proved = Proved { session_id, device_id, password_revision };
        Ok(Sight::at(account_id, proved, &spans, ended, after))
    }

    async fn catch_up(&mut self, identity: &Identity, after: Option<Position>) -> Result<Caught, Close> {
        let deadline = Instant::now() + LIVE_CATCH_UP_WAIT_MAX;
        let mut sight = self.sight(identity, after).await?;
        let state = self.state.clone();
        let (mut at, mut events, mut permit) = (after, 0, None);
        let all = ReadFilter::all();
        loop {
            match state.live.hub.attach(&mut sight, at) {
                Attach::Joined(joined) => return Ok(Caught::Up(joined)),
                Attach::Refused(close) => return Err(close),
                Attach::Lost => return Ok(Caught::Missed(ResetReason::Membership)),
                Attach::Ahead => {
                    let reached = timeout(MIN_POSITION_WAIT_MAX, state.live.hub.reached(at)).await;
                    reached.map_err(|_| Close::Unavailable)?;
                    continue;
                }
                Attach::Behind => {}
            }
            if permit.is_none() {
                let granted = timeout_at(deadline, state.live.catch_ups.acquire()).await;
                permit = Some(granted.map_err(|_| Close::Unavailable)?.map_err(|_| Close::GoingAway)?);
            }
            let page = state.live.feed.log().read_all(at, LIVE_CATCH_UP_PAGE_EVENTS, &all).await;
            let page = page.map_err(|error| self.unavailable(&error))?;
            state.metrics.live_catch_up_events.inc_by(u64::try_from(page.len()).unwrap_or_default());
            events += page.len();
            if events > state.live.bounds.catch_up_events {
                return Ok(Caught::Missed(ResetReason::TooOld));
            }
            let page = page.into_iter().map(|event| LiveEvent::new(Item::new(event)));
            at = match self.page(&mut sight, page).await? {
                Ok(last) => last.max(at),
                Err(reason) => return Ok(Caught::Missed(reason)),
            };
            if Instant::now() > deadline {
                return Err(Close::Unavailable);
            }
        }
    }

    /// Delivers what the account sees of a page; answers where it ends.
    async fn page(
        &mut self,
        sight: &mut Sight,
        page: impl Iterator<Item = Arc<LiveEvent>>,
    ) -> Result<Result<Option<Position>, ResetReason>, Close> {
        let (mut seen, mut last) = (Vec::new(), None);
        for event in page {
            last = Some(event.position());
            match sight.look(event.audience()) {
                Look::Hidden => {}
                Look::Shown => seen.push(event),
                Look::Ended => return Err(Close::SessionEnded),
                Look::Lost => return Ok(Err(ResetReason::Membership)),
            }
        }
        let cells: Vec<_> = seen.iter().filter_map(|event| event.sealed_cell()).collect();
        // Only to fetch the keys together: an event whose key is missing says so when its turn comes.
        let _ = self.state.sealer.fetch_keys(&cells).await;
        for event in seen {
            if event.is_undecodable() {
                return Ok(Err(ResetReason::Undecodable));
            }
            self.event(&event).await?;
        }
        self.progress(last).await?;
        Ok(Ok(last))
    }
}
