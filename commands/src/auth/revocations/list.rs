//! The list itself: what was revoked, of whom, when.

use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use domain::{AccountDevice, AccountId, SessionId, Timestamp};

use super::{CLOCK_SKEW_SECONDS, KEPT_SECONDS};
use crate::auth::access_token::{ACCESS_TOKEN_SECONDS, Identity};

/// How often entries that concern no token any more are taken out, in seconds: seldom enough to cost nothing.
pub(super) const PRUNE_SECONDS: i64 = 60;

/// What was revoked within the life of an access token.
#[derive(Default)]
pub(super) struct List {
    pub(super) sessions: Entries<SessionId>,
    pub(super) devices: Entries<AccountDevice>,
    /// Sessions that were bound to a device: tokens from before do not tell which.
    pub(super) bound: Entries<SessionId>,
    /// Accounts of which something was revoked that cannot be told.
    pub(super) accounts: Entries<AccountId>,
    /// Accounts whose password was set anew.
    pub(super) passwords: HashMap<AccountId, NewPassword>,
    pruned_at: Option<Timestamp>,
}

impl List {
    pub(super) fn refuses(&self, identity: &Identity) -> bool {
        let issued_at = identity.expires_at.plus_seconds(-ACCESS_TOKEN_SECONDS);
        let device = identity.device_id.map(|id| AccountDevice::new(identity.account_id, id));
        self.sessions.refuses(&identity.session_id, issued_at)
            || device.is_some_and(|device| self.devices.refuses(&device, issued_at))
            || self.accounts.refuses(&identity.account_id, issued_at)
    }

    /// Whether the session may have begun with an earlier password than the account's, or acts for a device that the token does
    /// not tell.
    pub(super) fn doubts(&self, identity: &Identity) -> bool {
        let issued_at = identity.expires_at.plus_seconds(-ACCESS_TOKEN_SECONDS);
        if identity.device_id.is_none() && self.bound.refuses(&identity.session_id, issued_at) {
            return true;
        }
        self.passwords.get(&identity.account_id).is_some_and(|password| {
            issued_at <= password.at.plus_seconds(CLOCK_SKEW_SECONDS)
                && !password.standing.contains(&identity.session_id)
        })
    }

    pub(super) fn set_password(&mut self, account_id: AccountId, spared: Option<SessionId>, at: Timestamp) {
        let newer = NewPassword { at, standing: spared.into_iter().collect() };
        match self.passwords.entry(account_id) {
            Entry::Vacant(place) => {
                place.insert(newer);
            }
            Entry::Occupied(mut place) => match place.get().at.cmp(&at) {
                Ordering::Less => {
                    place.insert(newer);
                }
                // This node's own command comes a second time from the log.
                Ordering::Equal => {}
                // By clocks that differ the later password may look the older: every session is looked at, also one that is
                // being looked at now ([`Asked`]).
                Ordering::Greater => {
                    let known = place.get_mut();
                    known.standing.clear();
                    known.at = Timestamp::from_micros(known.at.as_micros().saturating_add(1));
                }
            },
        }
    }

    pub(super) fn prune(&mut self, now: Timestamp) {
        if self.pruned_at.is_some_and(|at| (at..at.plus_seconds(PRUNE_SECONDS)).contains(&now)) {
            return;
        }
        let oldest = now.plus_seconds(-KEPT_SECONDS);
        self.sessions.forget(oldest);
        self.devices.forget(oldest);
        self.bound.forget(oldest);
        self.accounts.forget(oldest);
        self.passwords.retain(|_, password| password.at > oldest);
        self.pruned_at = Some(now);
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        let sessions = self.sessions.0.len() + self.bound.0.len();
        sessions + self.devices.0.len() + self.accounts.0.len() + self.passwords.len()
    }
}

/// A password that took the place of another.
pub(super) struct NewPassword {
    pub(super) at: Timestamp,
    /// Sessions that were found to stand since: the one in which it was changed, and those begun with it.
    pub(super) standing: HashSet<SessionId>,
}

/// When what was revoked last, of one kind.
pub(super) struct Entries<K>(HashMap<K, Timestamp>);

impl<K> Default for Entries<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Entries<K> {
    pub(super) fn insert(&mut self, key: K, at: Timestamp) {
        let known = self.0.entry(key).or_insert(at);
        *known = at.max(*known);
    }

    /// Whether a token issued at `issued_at`, by whichever node's clock, is older than the entry.
    pub(super) fn refuses(&self, key: &K, issued_at: Timestamp) -> bool {
        self.0.get(key).is_some_and(|at| issued_at <= at.plus_seconds(CLOCK_SKEW_SECONDS))
    }

    fn forget(&mut self, oldest: Timestamp) {
        self.0.retain(|_, at| *at > oldest);
    }
}
