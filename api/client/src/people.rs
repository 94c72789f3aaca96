//! Other people's keys: fetched, verified, remembered; the identity key seen first is the one trusted.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::conversation::Recipient;
use domain::{AccountId, DeviceId, VerifyKey};
use futures_util::StreamExt;

use crate::api;
use crate::e2ee::{
    AccountKeys, CertifiedDevice, CertifiedRecipient, ClaimedKeys, DirectoryError, SafetyNumber,
};
use crate::edge;
use crate::error::Error;
use crate::keystore::KnownIdentity;
use crate::session::Session;

/// Keys fetched at once: a group of a thousand is known in seconds, without a burst that is refused.
const FETCHES_MAX: usize = 8;

/// First wait for keys that the read model does not show yet.
const FIRST_WAIT: Duration = Duration::from_millis(20);
/// Longest single wait for them: about a second in all.
const WAIT_MAX: Duration = Duration::from_millis(640);

/// The verified keys of everybody that this client has to do with.
pub struct People {
    session: Arc<Session>,
    verified: Mutex<HashMap<AccountId, Arc<AccountKeys>>>,
}

impl People {
    /// Knows nobody but whom the key store pins.
    pub fn new(session: Arc<Session>) -> Self {
        Self { session, verified: Mutex::default() }
    }

    /// An account's keys, as verified last.
    ///
    /// # Errors
    /// As [`People::fetch`].
    pub async fn keys(&self, account: AccountId) -> Result<Arc<AccountKeys>, Error> {
        let known = self.guard().get(&account).cloned();
        match known {
            Some(keys) => Ok(keys),
            None => self.fetch(account).await,
        }
    }

    /// An account's keys as the server tells of them now, verified against the identity key known; the first one seen is
    /// pinned.
    ///
    /// # Errors
    /// [`Error::NoKeys`], [`Error::Directory`] for keys that are not believed, [`Error::Api`], [`Error::KeyStore`].
    pub async fn fetch(&self, account: AccountId) -> Result<Arc<AccountKeys>, Error> {
        let claimed = self.claimed(account).await?;
        self.take(&claimed)
    }

    /// Verifies keys that the server tells of, and remembers them.
    fn take(&self, claimed: &ClaimedKeys) -> Result<Arc<AccountKeys>, Error> {
        let account = claimed.account_id;
        let store = self.session.store();
        let known = store.read(|state| state.identities.get(&account).copied());
        let keys = AccountKeys::verify(claimed, known.as_ref().map(|known| &known.identity_key))?;
        if known.is_none() {
            // Another process may have pinned one since: then that one holds.
            let pinned = store.update(|state| {
                let first = KnownIdentity { identity_key: keys.identity_key(), verified: false };
                state.identities.entry(account).or_insert(first).identity_key
            })?;
            if pinned != keys.identity_key() {
                return Err(DirectoryError::IdentityChanged(account).into());
            }
        }
        let keys = Arc::new(keys);
        self.guard().insert(account, Arc::clone(&keys));
        Ok(keys)
    }

    /// Fetches the keys of those that are not known yet, many at a time.
    ///
    /// # Errors
    /// As [`People::fetch`].
    pub(crate) async fn fetch_unknown(&self, accounts: BTreeSet<AccountId>) -> Result<(), Error> {
        let unknown: Vec<_> = {
            let known = self.guard();
            accounts.into_iter().filter(|account| !known.contains_key(account)).collect()
        };
        let mut rest = Vec::new();
        for some in unknown.chunks(api::devices::ACCOUNTS_MAX) {
            let mut left: BTreeSet<_> = some.iter().copied().collect();
            for claimed in api::devices::keys_of_all(&self.session, some).await? {
                if left.remove(&claimed.account_id) {
                    self.take(&claimed)?;
                }
            }
            rest.extend(left);
        }
        // Who has many devices is told of alone; of the others the server says why not.
        let fetching = rest.into_iter().map(|account| self.fetch(account));
        let mut fetched = futures_util::stream::iter(fetching).buffer_unordered(FETCHES_MAX);
        while let Some(keys) = fetched.next().await {
            keys?;
        }
        Ok(())
    }

    async fn claimed(&self, account: AccountId) -> Result<ClaimedKeys, Error> {
        let claimed = api::devices::keys_of(&self.session, account).await?;
        match claimed.filter(|claimed| claimed.account_id == account) {
            Some(claimed) => Ok(claimed),
            None => Err(Error::NoKeys(account)),
        }
    }

    /// A device. One that is not among the keys known is asked for; the read model may be a little behind whoever told of
    /// it, so that is done for a while.
    ///
    /// # Errors
    /// As [`People::fetch`], and [`DirectoryError::DeviceUnknown`].
    pub async fn device(&self, account: AccountId, device: DeviceId) -> Result<CertifiedDevice, Error> {
        self.look_up(account, |keys| keys.device(device).copied()).await
    }

    /// Somebody to wrap for, asked for like a device.
    ///
    /// # Errors
    /// As [`People::fetch`], and [`DirectoryError::RecipientUnknown`].
    pub async fn recipient(&self, account: AccountId, told: &Recipient) -> Result<CertifiedRecipient, Error> {
        self.look_up(account, |keys| keys.recipient(told)).await
    }

    async fn look_up<T>(
        &self,
        account: AccountId,
        find: impl Fn(&AccountKeys) -> Result<T, DirectoryError>,
    ) -> Result<T, Error> {
        let known = self.guard().get(&account).cloned();
        if let Some(Ok(found)) = known.map(|keys| find(&keys)) {
            return Ok(found);
        }
        let mut wait = FIRST_WAIT;
        loop {
            let found = match self.fetch(account).await {
                Ok(keys) => find(&keys).map_err(Error::from),
                Err(error) => Err(error),
            };
            match found {
                Err(error) if may_come(&error) && wait <= WAIT_MAX => {
                    tokio::time::sleep(edge::jittered(wait)).await;
                    wait *= 2;
                }
                other => return other,
            }
        }
    }

    /// Forgets what was verified, so that it is asked for anew; what is pinned stays.
    pub fn forget(&self, account: AccountId) {
        self.guard().remove(&account);
    }

    /// Forgets what was verified of one's own account.
    pub(crate) fn forget_own(&self) {
        let own = self.session.store().read(|state| state.account_id);
        self.forget(own);
    }

    /// The number that both people compare.
    ///
    /// # Errors
    /// As [`People::keys`], for either account.
    pub async fn safety_number(&self, account: AccountId) -> Result<SafetyNumber, Error> {
        let own = self.session.store().read(|state| state.account_id);
        let (mine, theirs) = (self.keys(own).await?, self.keys(account).await?);
        Ok(SafetyNumber::between((own, &mine.identity_key()), (account, &theirs.identity_key())))
    }

    /// Whether the person compared the safety number with `account`, and its identity key is the same since.
    pub fn is_verified(&self, account: AccountId) -> bool {
        let known = self.session.store().read(|state| state.identities.get(&account).copied());
        known.is_some_and(|known| known.verified)
    }

    /// Records that the person compared the safety number with `account`.
    ///
    /// # Errors
    /// As [`People::keys`].
    pub async fn mark_verified(&self, account: AccountId) -> Result<(), Error> {
        let identity_key = self.keys(account).await?.identity_key();
        self.pin(account, KnownIdentity { identity_key, verified: true })
    }

    /// Trusts the identity key that the server tells of now, on the person's word. Comparing safety numbers comes after.
    ///
    /// # Errors
    /// As [`People::fetch`].
    pub async fn accept_new_identity(&self, account: AccountId) -> Result<VerifyKey, Error> {
        let claimed = self.claimed(account).await?;
        let keys = AccountKeys::verify(&claimed, None)?;
        self.pin(account, KnownIdentity { identity_key: keys.identity_key(), verified: false })?;
        self.forget(account);
        Ok(keys.identity_key())
    }

    fn pin(&self, account: AccountId, known: KnownIdentity) -> Result<(), Error> {
        self.session.store().update(|state| state.identities.insert(account, known))?;
        Ok(())
    }

    fn guard(&self) -> MutexGuard<'_, HashMap<AccountId, Arc<AccountKeys>>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether keys are unknown that a read model a little behind would show later.
pub(crate) fn may_come(error: &Error) -> bool {
    let unknown = |error: &DirectoryError| {
        matches!(error, DirectoryError::DeviceUnknown(..) | DirectoryError::RecipientUnknown(..))
    };
    match error {
        Error::NoKeys(_) => true,
        Error::Directory(error) => unknown(error),
        _ => false,
    }
}
