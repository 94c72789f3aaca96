//! Lets a socket follow the feed from where its client was: with everything in between, or with an explicit reset.

use std::sync::Arc;

use commands::executor::StandingSession;
use eventstore_schema::{PageLimits, Position};
use futures_util::future::try_join_all;
use projections::conversations::queries::MembershipSpan;
use projections::{ADDRESSING, Item, Reader, addressed, conversations};
use tokio::time::timeout;

use super::audience::Proved;
use super::close::Close;
use super::event::LiveEvent;
use super::frames::{Down, ResetReason};
use super::hub::{Attach, Joined};
use super::line::Line;
use super::missed::{Missed, acknowledgements, latest};
use super::read_permits::ReadPermits;
use super::sight::{Look, Sight};
use super::socket::until;
use super::terms;
use crate::extract::Identity;
use crate::limits::{
    LIVE_CATCH_UP_PAGE_BYTES, LIVE_CATCH_UP_PAGE_EVENTS, LIVE_HEARTBEAT_EVERY, LIVE_RESETS_MAX,
    MIN_POSITION_WAIT_MAX,
};

/// What is read of a socket's streams at a time.
const PAGE: PageLimits = PageLimits { events: LIVE_CATCH_UP_PAGE_EVENTS, bytes: LIVE_CATCH_UP_PAGE_BYTES };

/// How an attempt to follow ended.
enum Caught {
    /// The socket follows.
    Up(Joined),
    /// Something was missed.
    Missed(ResetReason),
}

impl Line {
    /// Welcomes the client and lets the socket follow, for which it has until its token expires.
    ///
    /// # Errors
    /// Why the socket has to close instead.
    pub async fn join(
        &mut self,
        identity: &Identity,
        permits: &ReadPermits,
        resume_after: Option<&str>,
    ) -> Result<Joined, Close> {
        let left = until(&self.state, identity.expires_at);
        let joined = timeout(left, self.join_in_time(identity, permits, resume_after)).await;
        joined.map_err(|_| Close::TokenExpired)?
    }

    async fn join_in_time(
        &mut self,
        identity: &Identity,
        permits: &ReadPermits,
        resume_after: Option<&str>,
    ) -> Result<Joined, Close> {
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
            match self.catch_up(identity, permits, after).await? {
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

    /// What the account sees behind `after`, and its conversations as of `until`, which is no earlier.
    async fn sight(
        &self,
        identity: &Identity,
        permits: &ReadPermits,
        (after, until): (Option<Position>, Option<Position>),
    ) -> Result<(Sight, Vec<MembershipSpan>), Close> {
        let state = &self.state;
        let shown = self.spans(identity, permits, until).await?;
        let _permit = permits.next(state).await?;
        // Whether the session had ended by now; from `after` on, which is no later, its end is met as an event.
        let Identity { account_id, session_id, device_id, .. } = *identity;
        let standing =
            state.services.executor.standing_session(session_id, account_id, device_id, state.clock.now());
        let standing = standing.await.map_err(|error| self.unavailable(&error))?;
        let StandingSession { device_id, password_revision } = standing.ok_or(Close::SessionEnded)?;
        let seen = terms::look(state, account_id, shown.clone()).await;
        let (spans, ended) = seen.map_err(|problem| self.failed(&problem))?;
        let proved = Proved { session_id, device_id, password_revision };
        Ok((Sight::at(account_id, proved, &spans, ended, after), shown))
    }

    /// The account's conversations as of `until` or later.
    async fn spans(
        &self,
        identity: &Identity,
        permits: &ReadPermits,
        until: Option<Position>,
    ) -> Result<Vec<MembershipSpan>, Close> {
        const SHOWN_BY: &[&str] = &["conversations"];
        let reader = match until {
            Some(position) => self.showing(SHOWN_BY, position).await?,
            None => self.state.read_models.now(),
        };
        let _permit = permits.next(&self.state).await?;
        let spans = conversations::queries::spans(&reader, identity.account_id).await;
        spans.map_err(|error| self.unavailable(&error))
    }

    /// Read models that show the event at a position.
    async fn showing(&self, projections: &'static [&'static str], at: Position) -> Result<Reader, Close> {
        let waits =
            projections.iter().map(|name| self.state.projections.wait_for(name, at, MIN_POSITION_WAIT_MAX));
        try_join_all(waits).await.map_err(|error| self.unavailable(&error))?;
        Ok(self.state.read_models.showing(projections, at))
    }

    /// Lets the socket follow from where its client is. Whatever is waited for, nothing is held that others need but a permit for
    /// as long as something is read: a client that takes its time takes only that.
    async fn catch_up(
        &mut self,
        identity: &Identity,
        permits: &ReadPermits,
        after: Option<Position>,
    ) -> Result<Caught, Close> {
        let state = self.state.clone();
        let hub = &state.live.hub;
        timeout(MIN_POSITION_WAIT_MAX, hub.reached(after)).await.map_err(|_| Close::Unavailable)?;
        let mut until = hub.position();
        let (mut sight, mut spans) = self.sight(identity, permits, (after, until)).await?;
        let (mut at, mut events) = (after, 0);
        loop {
            match hub.attach(&mut sight, at) {
                Attach::Joined(joined) => return Ok(Caught::Up(joined)),
                Attach::Refused(close) => return Err(close),
                Attach::Lost => return Ok(Caught::Missed(ResetReason::Membership)),
                Attach::Ahead => {
                    let reached = timeout(MIN_POSITION_WAIT_MAX, hub.reached(at)).await;
                    reached.map_err(|_| Close::Unavailable)?;
                    continue;
                }
                Attach::Behind => {}
            }
            if let Some(recent) = hub.recent(at) {
                at = match self.page(&mut sight, recent, None).await? {
                    Ok(last) => last.max(at),
                    Err(reason) => return Ok(Caught::Missed(reason)),
                };
                continue;
            }
            if at >= until {
                until = hub.position();
                spans = self.spans(identity, permits, until).await?;
            }
            let Some(end) = until else { continue };
            let mut missed = self.missed(identity, permits, &spans, (at, end)).await?;
            match self.read(identity, &mut sight, permits, &mut missed, &mut events).await? {
                Ok(()) => at = missed.reached(),
                Err(reason) => return Ok(Caught::Missed(reason)),
            }
        }
    }

    /// The streams that may hold something for the account.
    async fn missed(
        &self,
        identity: &Identity,
        permits: &ReadPermits,
        spans: &[MembershipSpan],
        (at, until): (Option<Position>, Position),
    ) -> Result<Missed, Close> {
        let reader = self.showing(ADDRESSING, until).await?;
        let _permit = permits.next(&self.state).await?;
        let account_id = identity.account_id;
        let addressed = addressed(&reader, account_id, at).await;
        let mut addressed = addressed.map_err(|error| self.unavailable(&error))?;
        let told = acknowledgements(&reader, account_id, spans, at).await;
        addressed.extend(told.map_err(|error| self.unavailable(&error))?);
        Ok(Missed::new(identity.account_id, identity.session_id, spans, addressed, (at, until)))
    }

    /// Delivers what was missed, page by page.
    async fn read(
        &mut self,
        identity: &Identity,
        sight: &mut Sight,
        permits: &ReadPermits,
        missed: &mut Missed,
        events: &mut usize,
    ) -> Result<Result<(), ResetReason>, Close> {
        let state = self.state.clone();
        while missed.goes_on() {
            let permit = permits.next(&state).await?;
            let page = missed.next(&**state.live.feed.log(), PAGE).await;
            // A client that takes its time is not shown more than what there was when its session ended.
            let device_id = sight.proved().device_id;
            let (session_id, account_id, now) = (identity.session_id, identity.account_id, state.clock.now());
            let stands = state.services.executor.stands(session_id, account_id, device_id, now).await;
            drop(permit);
            if !stands.map_err(|error| self.unavailable(&error))? {
                return Err(Close::SessionEnded);
            }
            let page = page.map_err(|error| self.unavailable(&error))?;
            state.metrics.live_catch_up_events.inc_by(u64::try_from(page.len()).unwrap_or_default());
            *events += page.len();
            if *events > state.live.bounds.catch_up_events {
                return Ok(Err(ResetReason::TooOld));
            }
            if state.live.hub.is_closed() {
                return Err(Close::GoingAway);
            }
            let page = page.into_iter().map(|event| LiveEvent::new(Item::new(event)));
            let page = latest(page.collect());
            if let Err(reason) = self.page(sight, page, missed.reached()).await? {
                return Ok(Err(reason));
            }
        }
        Ok(Ok(()))
    }

    /// Delivers what the account sees of a page, which tells of everything up to `reached` or else to its last event; answers
    /// where it ends.
    async fn page(
        &mut self,
        sight: &mut Sight,
        page: impl IntoIterator<Item = Arc<LiveEvent>>,
        reached: Option<Position>,
    ) -> Result<Result<Option<Position>, ResetReason>, Close> {
        let (mut seen, mut last) = (Vec::new(), reached);
        for event in page {
            last = last.max(Some(event.position()));
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
