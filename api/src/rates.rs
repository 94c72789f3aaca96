//! Rate limits: by account, and by address for those who have not logged in.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue};
use domain::AccountId;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::problem::{Code, Problem};

/// How many requests a second in the long run, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

impl Rate {
    /// A rate; zeros count as one.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second: at_least_one(per_second), burst: at_least_one(burst) }
    }
}

const fn at_least_one(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

/// Both limiters.
pub struct Rates {
    accounts: Limiter<AccountId>,
    addresses: Limiter<IpAddr>,
}

impl Rates {
    /// Limiters at these rates.
    pub fn new(account: Rate, address: Rate) -> Self {
        Self { accounts: Limiter::new("account", account), addresses: Limiter::new("address", address) }
    }

    /// Counts a request of an account.
    pub fn account(&self, id: AccountId) -> Verdict<'_> {
        self.accounts.count(&id)
    }

    /// Counts a request from an address. Of an IPv6 address the network counts: one customer has all of it.
    pub fn address(&self, address: IpAddr) -> Verdict<'_> {
        let network = match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        };
        self.addresses.count(&network)
    }

    /// Forgets whom it has not seen lately.
    pub fn sweep(&self) {
        self.accounts.limiter.retain_recent();
        self.addresses.limiter.retain_recent();
    }
}

struct Limiter<K: Eq + std::hash::Hash + Clone> {
    limiter: RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>,
    name: &'static str,
    rate: Rate,
    policy: HeaderValue,
}

impl<K: Eq + std::hash::Hash + Clone> Limiter<K> {
    fn new(name: &'static str, rate: Rate) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        let window = rate.burst.get().div_ceil(rate.per_second.get());
        let policy = format!("\"{name}\";q={};w={window}", rate.burst);
        let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static(""));
        Self { limiter: RateLimiter::keyed(quota).with_middleware(), name, rate, policy }
    }

    fn count(&self, key: &K) -> Verdict<'_> {
        let (remaining, refused_for) = match self.limiter.check_key(key) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(refusal) => (0, Some(refusal.wait_time_from(self.limiter.clock().now()))),
        };
        let missing = self.rate.burst.get().saturating_sub(remaining);
        let reset_seconds = missing.div_ceil(self.rate.per_second.get());
        Verdict { name: self.name, policy: &self.policy, remaining, reset_seconds, refused_for }
    }
}

/// What a limiter says of one request.
pub struct Verdict<'a> {
    name: &'static str,
    policy: &'a HeaderValue,
    remaining: u32,
    reset_seconds: u32,
    refused_for: Option<Duration>,
}

impl Verdict<'_> {
    /// Whether the request may go on.
    ///
    /// # Errors
    /// [`Code::RateLimited`] with the time to wait.
    pub fn admit(&self) -> Result<(), Problem> {
        match self.refused_for {
            None => Ok(()),
            Some(wait) => Err(Problem::from(Code::RateLimited).retry_after(wait)),
        }
    }

    /// The headers that tell a client where it stands (draft-ietf-httpapi-ratelimit-headers).
    pub fn headers(&self) -> [(HeaderName, HeaderValue); 2] {
        let state = format!("\"{}\";r={};t={}", self.name, self.remaining, self.reset_seconds);
        let state = HeaderValue::try_from(state).unwrap_or(HeaderValue::from_static(""));
        [
            (HeaderName::from_static("ratelimit-policy"), self.policy.clone()),
            (HeaderName::from_static("ratelimit"), state),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_too_often_is_told_how_long_to_wait() {
        let rates = Rates::new(Rate::new(1, 2), Rate::new(1, 1));
        let alice = AccountId::from_bytes([1; 16]);
        assert!(rates.account(alice).admit().is_ok());
        assert!(rates.account(alice).admit().is_ok());
        let problem = rates.account(alice).admit().unwrap_err();
        assert_eq!(problem.status().as_u16(), 429);
        assert!(problem.into_response("r").headers().contains_key("retry-after"));
        assert!(rates.account(AccountId::from_bytes([2; 16])).admit().is_ok());
    }

    #[test]
    fn one_ipv6_network_is_one_caller() {
        let rates = Rates::new(Rate::new(1, 1), Rate::new(1, 1));
        assert!(rates.address("2001:db8::1".parse().unwrap()).admit().is_ok());
        assert!(rates.address("2001:db8::2".parse().unwrap()).admit().is_err());
        assert!(rates.address("2001:db8:0:1::1".parse().unwrap()).admit().is_ok());
    }

    #[test]
    fn the_headers_say_where_a_caller_stands() {
        let rates = Rates::new(Rate::new(10, 20), Rate::new(1, 1));
        let headers = rates.account(AccountId::from_bytes([1; 16])).headers();
        assert_eq!(headers[0].1, "\"account\";q=20;w=2");
        assert_eq!(headers[1].1, "\"account\";r=19;t=1");
    }
}
