//! What was revoked of late: an access token holds only while neither its session nor its device is among it.
//!
//! A follower of the log keeps the list on every node; this node's own commands write into it before they answer. The list
//! goes back as far as the oldest access token that can still be presented. A token that was issued before the follower began,
//! or while it has lost the log, is judged by the session's own stream instead ([`Judgement::Unknown`]).

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::device::DeviceEvent;
use domain::session::SessionEvent;
use domain::{DeviceId, Event, SessionId, Timestamp};
use eventstore_schema::{EventLog, LogError, Position, ReadFilter, RecordedEvent, catalogue};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::access_token::{ACCESS_TOKEN_SECONDS, Identity};
use crate::clock::Clock;
use crate::metrics::Metrics;

/// How far the clocks of two nodes may be apart, in seconds.
const CLOCK_SKEW_SECONDS: i64 = 60;
/// For how long a revocation is kept: until every token that it concerns has expired by any node's clock.
const KEPT_SECONDS: i64 = ACCESS_TOKEN_SECONDS + 2 * CLOCK_SKEW_SECONDS;
/// Events taken from the log at a time.
const BATCH_EVENTS: usize = 500;
/// How long the follower waits before it turns to a lost log again.
const RETRY_DELAY: Duration = Duration::from_millis(250);
/// The list is pruned whenever it has grown by this many entries: seldom enough to cost nothing.
const PRUNE_ENTRIES: usize = 1_024;
/// Sessions that were looked up and found alive, kept at most.
const VOUCHED_MAX: u64 = 100_000;

/// What the list says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Its session or device was revoked.
    Revoked,
    /// Neither was.
    Holds,
    /// The list does not go back that far: look at the session itself.
    Unknown,
}

/// Sessions and devices revoked within the life of an access token. Clones share one list.
#[derive(Clone)]
pub struct Revocations {
    shared: Arc<Shared>,
}

struct Shared {
    list: RwLock<List>,
    /// Tokens issued from this second on are judged by the list alone; `i64::MAX` while the log is not followed.
    trusted_from: AtomicI64,
    vouched: moka::sync::Cache<SessionId, ()>,
}

#[derive(Default)]
struct List {
    revoked: HashMap<Uuid, Timestamp>,
    pruned_at_len: usize,
}

impl Default for Revocations {
    fn default() -> Self {
        let vouched = moka::sync::Cache::builder()
            .max_capacity(VOUCHED_MAX)
            .time_to_live(Duration::from_secs(KEPT_SECONDS.unsigned_abs()))
            .build();
        let trusted_from = AtomicI64::new(i64::MAX);
        Self { shared: Arc::new(Shared { list: RwLock::default(), trusted_from, vouched }) }
    }
}

/// Follows the log until it is dropped.
pub struct Follower(JoinHandle<()>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Revocations {
    /// Starts to follow the log. Without this, every token is judged by its session's stream.
    pub fn follow(&self, log: Arc<dyn EventLog>, clock: Clock, metrics: Metrics) -> Follower {
        let trail = Trail { revocations: self.clone(), log, clock, metrics };
        Follower(tokio::spawn(trail.run()))
    }

    /// Judges a token whose signature is right.
    pub fn judge(&self, identity: &Identity) -> Judgement {
        let is_revoked = {
            let list = self.shared.list.read().unwrap_or_else(PoisonError::into_inner);
            let device = identity.device_id.is_some_and(|id| list.revoked.contains_key(&id.as_uuid()));
            device || list.revoked.contains_key(&identity.session_id.as_uuid())
        };
        if is_revoked {
            return Judgement::Revoked;
        }
        let trusted_from = self.shared.trusted_from.load(Ordering::Acquire);
        let expires = identity.expires_at.as_micros() / 1_000_000;
        if expires.saturating_sub(ACCESS_TOKEN_SECONDS) >= trusted_from {
            return Judgement::Holds;
        }
        // What was vouched for while the log was followed holds: what was revoked since is on the list.
        let is_followed = trusted_from != i64::MAX;
        if is_followed && self.shared.vouched.contains_key(&identity.session_id) {
            return Judgement::Holds;
        }
        Judgement::Unknown
    }

    /// Whether the log is being followed.
    pub fn is_following(&self) -> bool {
        self.shared.trusted_from.load(Ordering::Acquire) != i64::MAX
    }

    /// Notes that the session was looked up and is alive; `followed` says that the log was followed before the look.
    pub(crate) fn vouch(&self, session_id: SessionId, followed: bool) {
        if followed {
            self.shared.vouched.insert(session_id, ());
        }
    }

    /// Refuses the session's tokens from now on.
    pub fn session_revoked(&self, session_id: SessionId, now: Timestamp) {
        self.insert(session_id.as_uuid(), now);
    }

    /// Refuses the device's tokens from now on.
    pub fn device_revoked(&self, device_id: DeviceId, now: Timestamp) {
        self.insert(device_id.as_uuid(), now);
    }

    fn insert(&self, id: Uuid, now: Timestamp) {
        let mut list = self.shared.list.write().unwrap_or_else(PoisonError::into_inner);
        list.revoked.insert(id, now);
        if list.revoked.len() >= list.pruned_at_len.saturating_add(PRUNE_ENTRIES) {
            let oldest = now.plus_seconds(-KEPT_SECONDS);
            list.revoked.retain(|_, at| *at > oldest);
            list.pruned_at_len = list.revoked.len();
        }
    }
}

/// What follows the log for the list.
struct Trail {
    revocations: Revocations,
    log: Arc<dyn EventLog>,
    clock: Clock,
    metrics: Metrics,
}

impl Trail {
    async fn run(self) {
        let shared = &self.revocations.shared;
        let (mut place, mut is_told) = (None, false);
        loop {
            let Err(error) = self.track(&mut place).await;
            // Until the log is back, tokens are judged by streams: nobody is let in on old knowledge.
            let was_followed = shared.trusted_from.swap(i64::MAX, Ordering::AcqRel) != i64::MAX;
            shared.vouched.invalidate_all();
            self.metrics.revocations_following.set(0);
            if was_followed || !is_told {
                tracing::warn!(%error, "the log of revocations is lost: sessions are looked up one by one");
                is_told = true;
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    /// Follows from `place`, or from the end of the log when there is none yet; ends when the log is lost.
    async fn track(
        &self,
        place: &mut Option<(Option<Position>, i64)>,
    ) -> Result<std::convert::Infallible, LogError> {
        let filter =
            || ReadFilter { event_types: vec!["session.revoked", "device.revoked"], ..ReadFilter::default() };
        let (mut after, trusted_from) = match *place {
            Some(known) => known,
            None => {
                let head = self.log.head().await?;
                (head.position, self.clock.now().as_micros() / 1_000_000 + CLOCK_SKEW_SECONDS)
            }
        };
        loop {
            let events = self.log.read_all(after, BATCH_EVENTS, &filter()).await?;
            let Some(last) = events.last() else { break };
            after = Some(last.position);
            events.iter().for_each(|event| self.apply(event));
            *place = Some((after, trusted_from));
        }
        *place = Some((after, trusted_from));
        let mut subscription = self.log.subscribe(after, filter()).await?;
        self.revocations.shared.trusted_from.store(trusted_from, Ordering::Release);
        self.metrics.revocations_following.set(1);
        loop {
            let events = subscription.next(BATCH_EVENTS).await?;
            events.iter().for_each(|event| self.apply(event));
            if let Some(last) = events.last() {
                *place = Some((Some(last.position), trusted_from));
            }
        }
    }

    fn apply(&self, recorded: &RecordedEvent) {
        let (list, now) = (&self.revocations, self.clock.now());
        match catalogue::decode_recorded(recorded) {
            Ok(Event::Session(SessionEvent::Revoked(event))) => list.session_revoked(event.session_id, now),
            Ok(Event::Device(DeviceEvent::Revoked(event))) => list.device_revoked(event.device_id, now),
            Ok(_) => {}
            // A newer release's event: its stream's id is the session's, and a device's owner is its account.
            Err(error) => {
                tracing::error!(%error, stream = %recorded.stream, "a revocation cannot be read");
                list.insert(recorded.stream.id, now);
            }
        }
        self.metrics.revocations_delay.observe(now.since(recorded.origin.recorded_at).as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::AccountId;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn identity(session: u8, device: Option<u8>) -> Identity {
        Identity {
            account_id: AccountId::from_bytes([1; 16]),
            session_id: SessionId::from_bytes([session; 16]),
            device_id: device.map(|byte| DeviceId::from_bytes([byte; 16])),
            expires_at: NOW.plus_seconds(ACCESS_TOKEN_SECONDS),
        }
    }

    fn following(from: Timestamp) -> Revocations {
        let revocations = Revocations::default();
        revocations.shared.trusted_from.store(from.as_micros() / 1_000_000, Ordering::Release);
        revocations
    }

    #[test]
    fn a_revoked_session_or_device_is_refused_at_once() {
        let revocations = following(NOW);
        assert_eq!(revocations.judge(&identity(2, Some(3))), Judgement::Holds);
        revocations.device_revoked(DeviceId::from_bytes([3; 16]), NOW);
        assert_eq!(revocations.judge(&identity(2, Some(3))), Judgement::Revoked);
        assert_eq!(revocations.judge(&identity(2, Some(4))), Judgement::Holds);
        revocations.session_revoked(SessionId::from_bytes([2; 16]), NOW);
        assert_eq!(revocations.judge(&identity(2, None)), Judgement::Revoked);
    }

    #[test]
    fn a_token_from_before_the_list_is_looked_up_once() {
        let revocations = following(NOW.plus_seconds(1));
        assert_eq!(revocations.judge(&identity(2, None)), Judgement::Unknown);
        revocations.vouch(SessionId::from_bytes([2; 16]), true);
        assert_eq!(revocations.judge(&identity(2, None)), Judgement::Holds);
        revocations.session_revoked(SessionId::from_bytes([2; 16]), NOW);
        assert_eq!(revocations.judge(&identity(2, None)), Judgement::Revoked);
    }

    #[test]
    fn without_a_log_nobody_is_trusted_unseen() {
        let revocations = Revocations::default();
        revocations.vouch(SessionId::from_bytes([2; 16]), revocations.is_following());
        assert_eq!(revocations.judge(&identity(2, None)), Judgement::Unknown);
    }

    #[test]
    fn the_list_forgets_what_no_token_can_outlive() {
        let revocations = following(NOW);
        let session = |number: usize| SessionId::from(Uuid::from_u128(number as u128));
        (0..PRUNE_ENTRIES - 1).for_each(|number| revocations.session_revoked(session(number), NOW));
        let later = NOW.plus_seconds(KEPT_SECONDS);
        revocations.session_revoked(session(PRUNE_ENTRIES), later);
        let list = revocations.shared.list.read().unwrap();
        assert_eq!(list.revoked.len(), 1);
    }
}
