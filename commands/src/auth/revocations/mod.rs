//! What was revoked of late: an access token holds only while neither its session nor its device is among it, and its account's
//! password was not set anew in another session.
//!
//! A follower of the log keeps the list on every node; this node's own commands write into it before they answer. The list
//! goes back as far as the oldest access token that can still be presented. A token that was issued before the follower began,
//! or while it has lost the log, is judged by the session's own stream instead ([`Judgement::Unknown`]).
//!
//! An entry concerns one account: a device's id is chosen by its client, and revoking one's own says nothing about another
//! account's of the same id. It refuses the tokens that were issued before it was recorded, so that it means nothing any more
//! once those have expired, whether or not it is still kept.

mod list;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::account::AccountEvent;
use domain::device::DeviceEvent;
use domain::session::SessionEvent;
use domain::{AccountDevice, AccountId, Category, Event, SessionId, Timestamp};
use eventstore_schema::{EventLog, LogError, Position, ReadFilter, RecordedEvent, Subscription, catalogue};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::list::List;
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
/// After how long without a revocation the log is asked whether it is there: a connection that hangs says nothing, either.
const SILENCE_MAX: Duration = Duration::from_millis(500);
/// How long it may take to answer that. Until then what others revoke is not known here.
const HEAD_WAIT_MAX: Duration = Duration::from_millis(500);
/// After how long the wait begins anew: one connection of several may hang by itself. Longer than any page is read.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// What is followed.
const EVENT_TYPES: [&str; 4] =
    ["session.revoked", "session.device_bound", "device.revoked", "account.password_set"];
/// Sessions that were looked up and found alive, kept at most.
const VOUCHED_MAX: u64 = 100_000;

/// What the list says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Its session or device was revoked.
    Revoked,
    /// Neither was.
    Holds,
    /// The list does not go back that far, or does not tell whether the session began before the password was set anew, or for
    /// which device it acts by now: look at the session itself.
    Unknown,
}

/// Sessions and devices revoked, and passwords set anew, within the life of an access token. Clones share one list.
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

/// What the list knew before a session was looked at.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    is_following: bool,
    password_at: Option<Timestamp>,
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
        let task = FollowTask { revocations: self.clone(), log, clock, metrics };
        Follower(tokio::spawn(task.run()))
    }

    /// Judges a token whose signature is right.
    pub fn judge(&self, identity: &Identity) -> Judgement {
        {
            let list = self.shared.list.read().unwrap_or_else(PoisonError::into_inner);
            if list.refuses(identity) {
                return Judgement::Revoked;
            }
            if list.doubts(identity) {
                return Judgement::Unknown;
            }
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

    /// What is known before the token's session is looked at; to be handed to [`Revocations::vouch`].
    pub(crate) fn ask(&self, identity: &Identity) -> Asked {
        let is_following = self.is_following();
        let list = self.shared.list.read().unwrap_or_else(PoisonError::into_inner);
        let password_at = list.passwords.get(&identity.account_id).map(|password| password.at);
        Asked { is_following, password_at }
    }

    /// Notes that the token's session was looked at and stands. What has come to the list since the look began stays as it is.
    pub(crate) fn vouch(&self, identity: &Identity, asked: Asked) {
        if asked.is_following {
            self.shared.vouched.insert(identity.session_id, ());
        }
        if asked.password_at.is_none() {
            return;
        }
        let mut list = self.shared.list.write().unwrap_or_else(PoisonError::into_inner);
        let password = list.passwords.get_mut(&identity.account_id);
        if let Some(password) = password.filter(|password| Some(password.at) == asked.password_at) {
            password.standing.insert(identity.session_id);
        }
    }

    /// Refuses the session's tokens from now on.
    pub fn session_revoked(&self, session_id: SessionId, now: Timestamp) {
        self.note(now, |list| list.sessions.insert(session_id, now));
    }

    /// The session acts for a device from now on: tokens from before, which do not tell, are judged by its stream.
    pub fn session_bound(&self, session_id: SessionId, now: Timestamp) {
        self.note(now, |list| list.bound.insert(session_id, now));
    }

    /// Refuses the device's tokens from now on.
    pub fn device_revoked(&self, device: AccountDevice, now: Timestamp) {
        self.note(now, |list| list.devices.insert(device, now));
    }

    /// The account's password was set anew: from now on the sessions that began with an earlier one have ended, but for `spared`.
    pub fn password_set(&self, account_id: AccountId, spared: Option<SessionId>, now: Timestamp) {
        self.note(now, |list| list.set_password(account_id, spared, now));
    }

    fn note(&self, now: Timestamp, insert: impl FnOnce(&mut List)) {
        let mut list = self.shared.list.write().unwrap_or_else(PoisonError::into_inner);
        insert(&mut list);
        list.prune(now);
    }
}

/// What follows the log for the list.
struct FollowTask {
    revocations: Revocations,
    log: Arc<dyn EventLog>,
    clock: Clock,
    metrics: Metrics,
}

impl FollowTask {
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
        let filter = || ReadFilter { event_types: EVENT_TYPES.to_vec(), ..ReadFilter::default() };
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
            let events = self.next(&mut *subscription).await?;
            events.iter().for_each(|event| self.apply(event));
            if let Some(last) = events.last() {
                *place = Some((Some(last.position), trusted_from));
            }
        }
    }

    /// The next events, or none after a while. As long as nothing comes it is looked whether that is because nothing happened.
    async fn next(&self, subscription: &mut dyn Subscription) -> Result<Vec<RecordedEvent>, LogError> {
        let mut waiting = std::pin::pin!(timeout(WAIT_MAX, subscription.next(BATCH_EVENTS)));
        loop {
            match timeout(SILENCE_MAX, &mut waiting).await {
                Ok(came) => return came.unwrap_or_else(|_| Ok(Vec::new())),
                Err(_) => self.look_for_life().await?,
            }
        }
    }

    /// Nothing came: because nothing happened, or because the log hangs.
    async fn look_for_life(&self) -> Result<(), LogError> {
        let hangs = || LogError::Unavailable {
            attempt: "asking whether the log answers",
            reason: "no answer in time".to_owned(),
        };
        timeout(HEAD_WAIT_MAX, self.log.head()).await.map_err(|_| hangs())?.map(|_| ())
    }

    fn apply(&self, recorded: &RecordedEvent) {
        let (now, at) = (self.clock.now(), recorded.origin.recorded_at);
        let id = recorded.stream.id;
        let decoded = catalogue::decode_recorded(recorded);
        if let Err(error) = &decoded {
            tracing::error!(%error, stream = %recorded.stream, "a revocation cannot be read");
        }
        self.revocations.note(now, |list| match (decoded, recorded.stream.category) {
            (Ok(Event::Session(SessionEvent::Revoked(event))), _) => {
                list.sessions.insert(event.session_id, at);
            }
            (Ok(Event::Session(SessionEvent::DeviceBound(event))), _) => {
                list.bound.insert(event.session_id, at);
            }
            (Ok(Event::Device(DeviceEvent::Revoked(event))), _) => {
                list.devices.insert(AccountDevice::new(event.account_id, event.device_id), at);
            }
            (Ok(Event::Account(AccountEvent::PasswordSet(event))), _) if event.cause.ends_sessions() => {
                list.set_password(event.account_id, event.session_id, at);
            }
            (Ok(_), _) => {}
            // A newer release's event: its stream's id is the session's, or that of the device's account.
            (Err(_), Category::Session) => list.sessions.insert(id.into(), at),
            (Err(_), Category::Device | Category::Account) => list.accounts.insert(id.into(), at),
            (Err(_), _) => {}
        });
        self.metrics.revocations_delay.observe(now.since(at).as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use domain::DeviceId;

    use super::list::PRUNE_SECONDS;
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn account(byte: u8) -> AccountId {
        AccountId::from_bytes([byte; 16])
    }

    fn session(byte: u8) -> SessionId {
        SessionId::from_bytes([byte; 16])
    }

    fn device(owner: u8, byte: u8) -> AccountDevice {
        AccountDevice::new(account(owner), DeviceId::from_bytes([byte; 16]))
    }

    /// Issued at [`NOW`].
    fn identity(session_byte: u8, device: Option<AccountDevice>) -> Identity {
        Identity {
            account_id: device.map_or(account(1), |device| device.account_id),
            session_id: session(session_byte),
            device_id: device.map(|device| device.device_id),
            expires_at: NOW.plus_seconds(ACCESS_TOKEN_SECONDS),
        }
    }

    fn following(from: Timestamp) -> Revocations {
        let revocations = Revocations::default();
        revocations.shared.trusted_from.store(from.as_micros() / 1_000_000, Ordering::Release);
        revocations
    }

    fn kept(revocations: &Revocations) -> usize {
        let list = revocations.shared.list.read().unwrap();
        list.kept()
    }

    #[test]
    fn a_revoked_session_or_device_is_refused_at_once() {
        let revocations = following(NOW);
        assert_eq!(revocations.judge(&identity(2, Some(device(1, 3)))), Judgement::Holds);
        revocations.device_revoked(device(1, 3), NOW);
        assert_eq!(revocations.judge(&identity(2, Some(device(1, 3)))), Judgement::Revoked);
        assert_eq!(revocations.judge(&identity(2, Some(device(1, 4)))), Judgement::Holds);
        revocations.session_revoked(session(2), NOW);
        assert_eq!(revocations.judge(&identity(2, None)), Judgement::Revoked);
    }

    #[test]
    fn revoking_ones_own_device_says_nothing_of_anothers_with_the_same_id() {
        let revocations = following(NOW);
        revocations.device_revoked(device(9, 3), NOW);
        assert_eq!(revocations.judge(&identity(2, Some(device(1, 3)))), Judgement::Holds);
        assert_eq!(revocations.judge(&identity(4, Some(device(9, 3)))), Judgement::Revoked);
    }

    #[test]
    fn a_session_and_a_device_of_one_id_are_two_things() {
        let revocations = following(NOW);
        revocations.device_revoked(device(1, 2), NOW);
        assert_eq!(revocations.judge(&identity(2, None)), Judgement::Holds);
        revocations.session_revoked(session(3), NOW);
        assert_eq!(revocations.judge(&identity(4, Some(device(1, 3)))), Judgement::Holds);
    }

    #[test]
    fn an_entry_refuses_the_tokens_that_are_older_than_it() {
        let revocations = following(NOW);
        // As far apart as two nodes' clocks may be.
        revocations.session_revoked(session(2), NOW.plus_seconds(-CLOCK_SKEW_SECONDS));
        assert_eq!(revocations.judge(&identity(2, None)), Judgement::Revoked);
        revocations.session_revoked(session(3), NOW.plus_seconds(-CLOCK_SKEW_SECONDS - 1));
        assert_eq!(revocations.judge(&identity(3, None)), Judgement::Holds);
        // An older entry never takes the place of a newer one.
        revocations.session_revoked(session(2), NOW.plus_seconds(-KEPT_SECONDS));
        assert_eq!(revocations.judge(&identity(2, None)), Judgement::Revoked);
    }

    #[test]
    fn a_token_from_before_the_list_is_looked_up_once() {
        let revocations = following(NOW.plus_seconds(1));
        assert_eq!(revocations.judge(&identity(2, None)), Judgement::Unknown);
        revocations.vouch(&identity(2, None), revocations.ask(&identity(2, None)));
        assert_eq!(revocations.judge(&identity(2, None)), Judgement::Holds);
        revocations.session_revoked(session(2), NOW);
        assert_eq!(revocations.judge(&identity(2, None)), Judgement::Revoked);
    }

    #[test]
    fn a_password_set_anew_puts_every_other_session_in_doubt_until_it_was_looked_at() {
        let revocations = following(NOW);
        revocations.password_set(account(1), Some(session(2)), NOW);
        assert_eq!(revocations.judge(&identity(2, None)), Judgement::Holds);
        assert_eq!(revocations.judge(&identity(3, None)), Judgement::Unknown);
        assert_eq!(revocations.judge(&identity(3, Some(device(9, 1)))), Judgement::Holds);
        let asked = revocations.ask(&identity(3, None));
        revocations.vouch(&identity(3, None), asked);
        // The same event from the log changes nothing.
        revocations.password_set(account(1), Some(session(2)), NOW);
        assert_eq!(revocations.judge(&identity(3, None)), Judgement::Holds);
        // Another one does, also for whoever was being looked at.
        revocations.password_set(account(1), None, NOW.plus_seconds(1));
        revocations.vouch(&identity(3, None), asked);
        for number in [2, 3] {
            assert_eq!(revocations.judge(&identity(number, None)), Judgement::Unknown);
        }
    }

    #[test]
    fn a_token_from_before_its_session_had_a_device_is_looked_up_each_time() {
        let revocations = following(NOW);
        revocations.session_bound(session(2), NOW);
        revocations.vouch(&identity(2, None), revocations.ask(&identity(2, None)));
        assert_eq!(revocations.judge(&identity(2, None)), Judgement::Unknown);
        assert_eq!(revocations.judge(&identity(2, Some(device(1, 3)))), Judgement::Holds);
        assert_eq!(revocations.judge(&identity(3, None)), Judgement::Holds);
    }

    #[test]
    fn of_two_passwords_by_clocks_that_differ_neither_vouches_for_anybody() {
        let revocations = following(NOW);
        revocations.password_set(account(1), Some(session(2)), NOW.plus_seconds(1));
        let asked = revocations.ask(&identity(3, None));
        // The later one, by a node whose clock is behind.
        revocations.password_set(account(1), Some(session(3)), NOW);
        revocations.vouch(&identity(3, None), asked);
        for number in [2, 3] {
            assert_eq!(revocations.judge(&identity(number, None)), Judgement::Unknown);
        }
        let asked = revocations.ask(&identity(3, None));
        revocations.vouch(&identity(3, None), asked);
        assert_eq!(revocations.judge(&identity(3, None)), Judgement::Holds);
    }

    #[test]
    fn without_a_log_nobody_is_trusted_unseen() {
        let revocations = Revocations::default();
        revocations.vouch(&identity(2, None), revocations.ask(&identity(2, None)));
        assert_eq!(revocations.judge(&identity(2, None)), Judgement::Unknown);
    }

    #[test]
    fn the_list_forgets_what_no_token_can_outlive_however_few_come() {
        let revocations = following(NOW);
        revocations.session_revoked(session(1), NOW);
        revocations.device_revoked(device(1, 1), NOW.plus_seconds(1));
        assert_eq!(kept(&revocations), 2);
        let later = NOW.plus_seconds(KEPT_SECONDS + 1);
        revocations.session_revoked(session(2), later);
        assert_eq!(kept(&revocations), 1);
        // A clock that was set back does not keep everything for ever.
        revocations.session_revoked(session(3), NOW);
        let (again, last) = (NOW.plus_seconds(PRUNE_SECONDS), NOW.plus_seconds(2 * KEPT_SECONDS + 2));
        revocations.session_revoked(session(3), again);
        assert_eq!(kept(&revocations), 2);
        revocations.session_revoked(session(4), last);
        assert_eq!(kept(&revocations), 1);
    }
}
