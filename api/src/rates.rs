//! Rate limits: by account, and by network for what needs no account.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use commands::network::Network;
use domain::AccountId;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{DefaultKeyedStateStore, ShrinkableKeyedStateStore};
use governor::{Quota, RateLimiter};

use crate::limits::{PROBES_BURST, PROBES_PER_SECOND};
use crate::problem::{Code, Problem};

/// How many requests in the long run, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Time after which one more is allowed, as long as the burst is not; never zero.
    pub replenish: Duration,
    /// At once.
    pub burst: NonZeroU32,
}

impl Rate {
    /// So many a second; zeros count as one.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        let replenish = Duration::from_nanos(1_000_000_000 / at_least_one(per_second).get() as u64);
        Self { replenish, burst: at_least_one(burst) }
    }

    /// One in such a time.
    pub const fn one_in(replenish: Duration, burst: u32) -> Self {
        Self { replenish, burst: at_least_one(burst) }
    }

    /// Seconds after which so many more are allowed.
    fn seconds_for(&self, requests: u32) -> u64 {
        let nanos = self.replenish.as_nanos().saturating_mul(u128::from(requests));
        u64::try_from(nanos.div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
    }
}

const fn at_least_one(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

/// Whom a request counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An account, wherever it asks from.
    Account(AccountId),
    /// A network that somebody without an account asks from: for anything, be there such a thing or not.
    Network(Network),
    /// A network that asks how the server is.
    Probe(Network),
}

/// All limiters. They share nothing: whoever uses up one allowance leaves the others as they are.
pub struct Rates {
    accounts: Limiter,
    networks: Limiter,
    probes: Limiter,
}

impl Rates {
    /// Limiters at these rates.
    pub fn new(account: Rate, address: Rate) -> Self {
        Self {
            accounts: Limiter::new("account", account),
            networks: Limiter::new("address", address),
            probes: Limiter::new("probe", Rate::new(PROBES_PER_SECOND, PROBES_BURST)),
        }
    }

    /// Counts a request.
    pub fn count(&self, subject: Subject) -> Counted<'_> {
        let limiter = match subject {
            Subject::Account(_) => &self.accounts,
            Subject::Network(_) => &self.networks,
            Subject::Probe(_) => &self.probes,
        };
        Counted(Some(limiter.count(subject)))
    }

    /// Forgets whom it has not seen lately.
    pub fn sweep(&self) {
        for limiter in [&self.accounts, &self.networks, &self.probes] {
            limiter.limiter.retain_recent();
        }
    }
}

/// What each subject has used up, shared by the limiter and by what gives back.
#[derive(Clone, Default)]
struct Used(Arc<DefaultKeyedStateStore<Subject>>);

impl StateStore for Used {
    type Key = Subject;

    fn measure_and_replace<T, F, E>(&self, key: &Subject, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.measure_and_replace(key, f)
    }
}

impl ShrinkableKeyedStateStore<Subject> for Used {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.retain_recent(drop_below);
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

struct Limiter {
    limiter: RateLimiter<Subject, Used, DefaultClock, StateInformationMiddleware>,
    used: Used,
    name: &'static str,
    rate: Rate,
    /// What one request uses up.
    each: Nanos,
    policy: HeaderValue,
}

impl Limiter {
    fn new(name: &'static str, rate: Rate) -> Self {
        let replenish = Quota::with_period(rate.replenish).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        let quota = replenish.allow_burst(rate.burst);
        let policy = format!("\"{name}\";q={};w={}", rate.burst, rate.seconds_for(rate.burst.get()));
        let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static(""));
        let (used, each) = (Used::default(), quota.replenish_interval().into());
        let limiter = RateLimiter::new(quota, used.clone(), DefaultClock::default());
        Self { limiter, used, name, rate, each, policy }
    }

    fn count(&self, subject: Subject) -> Verdict<'_> {
        let (remaining, refused_for) = match self.limiter.check_key(&subject) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(refusal) => (0, Some(refusal.wait_time_from(self.limiter.clock().now()))),
        };
        Verdict { limiter: self, subject, remaining, refused_for }
    }

    /// Takes one request of a subject back. By the algorithm (GCRA) what is used up is the time at which nothing would be, each
    /// request later; in the past it means nothing, so that nobody gathers more than a burst.
    fn give_back(&self, subject: Subject) {
        let earlier = |used: Option<Nanos>| used.map(|until| ((), until.saturating_sub(self.each))).ok_or(());
        // Whoever is not known any more has used up nothing.
        let _unknown = self.used.measure_and_replace(&subject, earlier);
    }
}

/// What a limiter says of one request.
struct Verdict<'a> {
    limiter: &'a Limiter,
    subject: Subject,
    remaining: u32,
    refused_for: Option<Duration>,
}

/// A request that was counted, unless nothing is limited.
#[derive(Default)]
pub struct Counted<'a>(Option<Verdict<'a>>);

impl Counted<'_> {
    /// Whether the request may go on.
    ///
    /// # Errors
    /// [`Code::RateLimited`] with the time to wait.
    pub fn admit(&self) -> Result<(), Problem> {
        match self.0.as_ref().and_then(|verdict| verdict.refused_for) {
            None => Ok(()),
            Some(wait) => Err(Problem::from(Code::RateLimited).retry_after(wait)),
        }
    }

    /// What became of the request, which was admitted: one that the server could not answer is not counted.
    pub fn concluded<T>(&self, answer: Result<T, Problem>) -> Result<T, Problem> {
        if let (Some(verdict), Err(problem)) = (&self.0, &answer) {
            verdict.conclude(problem.status());
        }
        answer
    }

    /// Concludes the request with its answer, and tells the client in it where it stands
    /// (draft-ietf-httpapi-ratelimit-headers).
    pub fn tell(self, response: &mut HttpResponse) {
        let Some(verdict) = self.0 else { return };
        let remaining = verdict.remaining + u32::from(verdict.conclude(response.status()));
        let rate = verdict.limiter.rate;
        let missing = rate.burst.get().saturating_sub(remaining);
        let reset_seconds = rate.seconds_for(missing);
        let state = format!("\"{}\";r={remaining};t={reset_seconds}", verdict.limiter.name);
        let state = HeaderValue::try_from(state).unwrap_or(HeaderValue::from_static(""));
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static("ratelimit-policy"), verdict.limiter.policy.clone());
        headers.insert(HeaderName::from_static("ratelimit"), state);
    }
}

impl Verdict<'_> {
    /// Gives back what a request that the server could not answer has used up; whether it did. To a probe "not now" is an
    /// answer.
    fn conclude(&self, status: StatusCode) -> bool {
        let is_probe = matches!(self.subject, Subject::Probe(_));
        let gives_back = status == StatusCode::SERVICE_UNAVAILABLE && self.refused_for.is_none() && !is_probe;
        if gives_back {
            self.limiter.give_back(self.subject);
        }
        gives_back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(byte: u8) -> Subject {
        Subject::Account(AccountId::from_bytes([byte; 16]))
    }

    fn network(address: &str) -> Network {
        Network::of(address.parse().unwrap())
    }

    fn limit(requests: u32) -> Rates {
        // So slow that nothing comes back while a test runs.
        let rate = Rate::one_in(Duration::from_secs(3_600), requests);
        Rates::new(rate, rate)
    }

    #[test]
    fn who_asks_too_often_is_told_how_long_to_wait() {
        let rates = limit(2);
        assert!(rates.count(account(1)).admit().is_ok());
        assert!(rates.count(account(1)).admit().is_ok());
        let problem = rates.count(account(1)).admit().unwrap_err();
        assert_eq!(problem.status().as_u16(), 429);
        assert!(problem.into_response("r").headers().contains_key("retry-after"));
        assert!(rates.count(account(2)).admit().is_ok());
    }

    #[test]
    fn one_network_is_one_caller() {
        let rates = limit(1);
        let admits = |address: &str| rates.count(Subject::Network(network(address))).admit().is_ok();
        assert!(admits("2001:db8::1"));
        assert!(!admits("2001:db8::2"));
        assert!(admits("2001:db8:0:1::1"));
        assert!(admits("::ffff:192.0.2.1"));
        assert!(!admits("192.0.2.1"));
        assert!(admits("::ffff:192.0.2.2"));
    }

    #[test]
    fn who_asks_for_much_may_still_ask_how_the_server_is() {
        let rates = limit(1);
        let here = network("192.0.2.1");
        assert!(rates.count(Subject::Network(here)).admit().is_ok());
        assert!(rates.count(Subject::Network(here)).admit().is_err());
        assert!(rates.count(Subject::Probe(here)).admit().is_ok());
        let asked = (0..1_000).filter(|_| rates.count(Subject::Probe(here)).admit().is_ok()).count();
        assert!(asked < 1_000, "probes are limited as well");
    }

    #[test]
    fn what_could_not_be_answered_is_given_back_once() {
        let rates = limit(3);
        let unavailable = || Err::<(), _>(Problem::unavailable("gone"));
        for _ in 0..100 {
            let counted = rates.count(account(1));
            counted.admit().unwrap();
            assert!(counted.concluded(unavailable()).is_err());
        }
        let answered = |counted: Counted<'_>| counted.concluded(counted.admit()).is_ok();
        assert_eq!((0..4).filter(|_| answered(rates.count(account(1)))).count(), 3, "no more than a burst");
        // A refusal used up nothing and gives nothing back.
        for _ in 0..10 {
            let counted = rates.count(account(1));
            assert!(counted.admit().is_err());
            assert!(counted.concluded(unavailable()).is_err());
        }
        assert!(rates.count(account(1)).admit().is_err());
    }

    #[test]
    fn the_headers_say_where_a_caller_stands() {
        let told = |status: StatusCode| {
            let mut response = HttpResponse::new(status);
            Rates::new(Rate::new(10, 20), Rate::new(1, 1)).count(account(1)).tell(&mut response);
            let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
            (header("ratelimit-policy"), header("ratelimit"))
        };
        let policy = "\"account\";q=20;w=2".to_owned();
        assert_eq!(told(StatusCode::OK), (policy.clone(), "\"account\";r=19;t=1".to_owned()));
        assert_eq!(told(StatusCode::SERVICE_UNAVAILABLE), (policy, "\"account\";r=20;t=0".to_owned()));
    }
}
