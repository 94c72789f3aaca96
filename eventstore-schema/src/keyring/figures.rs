//! What the keyring tells about itself: how many keys there are and how old, and what they are used for. Never whose.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};
use tokio::task::JoinHandle;

use super::store::KeyState;
use super::{KeyError, KeyKind, Keyring, Secret};
use crate::sealed::Opened;
use crate::sealing::SealError;

/// Pause between two counts. A count reads the index of all keys.
const COUNT_PAUSE: Duration = Duration::from_secs(300);
/// Pause after one that failed.
const RETRY_PAUSE: Duration = Duration::from_secs(10);

/// The keys of one purpose and state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyCount {
    /// What they are for: the kind of key, or the secret.
    pub purpose: &'static str,
    /// What may be done with them.
    pub state: KeyState,
    /// How many versions of keys.
    pub count: u64,
    /// How old the oldest is, in seconds, by the store's clock.
    pub oldest_seconds: f64,
}

impl KeyCount {
    /// What keys of a kind are for; of secrets the name tells.
    pub(super) fn purpose(kind: KeyKind, name: Option<&str>) -> Option<&'static str> {
        match kind {
            KeyKind::Tenant | KeyKind::Subject | KeyKind::Period => Some(kind.as_str()),
            KeyKind::Secret => Secret::from_name(name?).map(|secret| secret.name()),
        }
    }
}

impl KeyState {
    /// The word for people and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            KeyState::Active => "active",
            KeyState::DecryptOnly => "retired",
            KeyState::Compromised => "compromised",
            KeyState::Destroyed => "destroyed",
        }
    }

    const ALL: [KeyState; 4] =
        [KeyState::Active, KeyState::DecryptOnly, KeyState::Compromised, KeyState::Destroyed];
}

/// The metrics of keys. Clones share them.
#[derive(Clone, Debug)]
pub struct KeyMetrics {
    keys: IntGaugeVec,
    ages: GaugeVec,
    uses: IntCounterVec,
    seals: Outcomes,
    opens: Outcomes,
}

/// What became of sealing, or of opening.
#[derive(Clone, Debug)]
struct Outcomes {
    done: IntCounter,
    /// A key is destroyed on record: nothing is sealed under it, and what was is not to be read.
    erased: IntCounter,
    /// The keys could not be reached.
    unavailable: IntCounter,
    failed: IntCounter,
}

impl Outcomes {
    fn of(uses: &IntCounterVec, what: &str) -> Self {
        let outcome = |outcome| uses.with_label_values(&[what, outcome]);
        Self {
            done: outcome("done"),
            erased: outcome("erased"),
            unavailable: outcome("unavailable"),
            failed: outcome("failed"),
        }
    }

    fn failed(&self, error: &SealError) {
        match error {
            SealError::Key(KeyError::Destroyed { .. }) => self.erased.inc(),
            error if error.is_unavailable() => self.unavailable.inc(),
            _ => self.failed.inc(),
        }
    }
}

impl KeyMetrics {
    /// Adds them to a registry.
    ///
    /// # Errors
    /// When metrics of these names are there already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self::unregistered()?;
        registry.register(Box::new(metrics.keys.clone()))?;
        registry.register(Box::new(metrics.ages.clone()))?;
        registry.register(Box::new(metrics.uses.clone()))?;
        Ok(metrics)
    }

    fn unregistered() -> prometheus::Result<Self> {
        let keys = IntGaugeVec::new(
            Opts::new(
                "envoi_keys",
                "Versions of keys at rest, by what they are for and what may be done with them.",
            ),
            &["purpose", "state"],
        )?;
        let ages = GaugeVec::new(
            Opts::new(
                "envoi_keys_active_age_seconds",
                "Age of the oldest key that seals, by what it is for.",
            ),
            &["purpose"],
        )?;
        let uses = IntCounterVec::new(
            Opts::new("envoi_keys_uses_total", "Sealed parts made and opened, by what became of it."),
            &["use", "outcome"],
        )?;
        let (seals, opens) = (Outcomes::of(&uses, "seal"), Outcomes::of(&uses, "open"));
        Ok(Self { keys, ages, uses, seals, opens })
    }

    pub(crate) fn sealed<T>(&self, result: &Result<T, SealError>) {
        match result {
            Ok(_) => self.seals.done.inc(),
            Err(error) => self.seals.failed(error),
        }
    }

    pub(crate) fn opened<R>(&self, result: &Result<Opened<R>, SealError>) {
        match result {
            Ok(Opened::Clear(_)) => self.opens.done.inc(),
            Ok(Opened::Erased) => self.opens.erased.inc(),
            Err(error) => self.opens.failed(error),
        }
    }

    /// Shows what was counted; what there is none of any more is 0.
    fn show(&self, counts: &[KeyCount]) {
        let purposes: std::collections::BTreeSet<_> = counts.iter().map(|one| one.purpose).collect();
        for purpose in purposes {
            for state in KeyState::ALL {
                let found = counts.iter().find(|one| one.purpose == purpose && one.state == state);
                let count = found.map_or(0, |one| i64::try_from(one.count).unwrap_or(i64::MAX));
                self.keys.with_label_values(&[purpose, state.as_str()]).set(count);
                if state == KeyState::Active {
                    let age = found.map_or(0.0, |one| one.oldest_seconds);
                    self.ages.with_label_values(&[purpose]).set(age);
                }
            }
        }
    }

    /// Counts the keys again and again, until what is given is dropped.
    pub fn follow(&self, keyring: Arc<Keyring>) -> KeyCounting {
        let metrics = self.clone();
        KeyCounting(tokio::spawn(async move {
            loop {
                let pause = match keyring.counts().await {
                    Ok(counts) => {
                        metrics.show(&counts);
                        COUNT_PAUSE
                    }
                    Err(error) => {
                        tracing::debug!(%error, "keys cannot be counted now");
                        RETRY_PAUSE
                    }
                };
                tokio::time::sleep(pause).await;
            }
        }))
    }
}

/// A task that counts keys, ended when dropped.
pub struct KeyCounting(JoinHandle<()>);

impl Drop for KeyCounting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Keyring {
    /// How many keys there are, by purpose and state.
    ///
    /// # Errors
    /// When the keyring cannot be reached.
    pub async fn counts(&self) -> Result<Vec<KeyCount>, KeyError> {
        Ok(self.store.counts().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(purpose: &'static str, state: KeyState, count: u64) -> KeyCount {
        KeyCount { purpose, state, count, oldest_seconds: 7.0 }
    }

    #[test]
    fn what_there_is_none_of_any_more_is_shown_as_none() {
        let metrics = KeyMetrics::unregistered().unwrap();
        let of = |purpose, state| metrics.keys.with_label_values(&[purpose, state]).get();
        metrics.show(&[count("subject", KeyState::Active, 3), count("tenant", KeyState::Active, 1)]);
        assert_eq!((of("subject", "active"), of("subject", "destroyed"), of("tenant", "active")), (3, 0, 1));
        metrics.show(&[count("subject", KeyState::Destroyed, 3), count("tenant", KeyState::Active, 1)]);
        assert_eq!((of("subject", "active"), of("subject", "destroyed")), (0, 3));
        assert_eq!(metrics.ages.with_label_values(&["tenant"]).get(), 7.0);
        assert_eq!(metrics.ages.with_label_values(&["subject"]).get(), 0.0);
    }
}
