//! Finds accounts by what people type, and what is stored to verify it.

use std::sync::Arc;
use std::time::Duration;

use domain::account::{Account, AccountContact, AccountPassword, Standing};
use domain::{AccountId, Category, DeviceId, Record, SessionId};
use eventstore_schema::keyring::{CACHED_KEY_SECONDS_MAX, KeyError, Secret};
use eventstore_schema::{KeyRef, RecordedEvent, Revision, Sealer, StreamId, Tenant};

use crate::auth::AuthError;
use crate::auth::attempts::{Subjects, Wide};
use crate::auth::turns::Payer;
use crate::executor::Executor;
use crate::network::Network;
use crate::request::{Request, derived_id};
use crate::reservations::{ReservationKind, Reservations};

/// Most accounts of which it is remembered that their keys were asked for.
const ASKED_MAX: u64 = 100_000;

/// Looks credentials up.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(super) executor: Executor,
    pub(super) sealer: Arc<Sealer>,
    pub(super) reservations: Reservations,
    /// Accounts, there or not, whose keys were asked for of late.
    asked: moka::sync::Cache<AccountId, ()>,
}

/// An address, whether anybody has it or not.
pub(super) struct Address {
    /// Under what it is reserved.
    pub(super) index: [u8; 32],
    /// The account that has it, or may be registered with it; for a free one an account that nobody ever has, so that looking
    /// costs the same.
    pub(super) account_id: AccountId,
    /// Whether it is reserved.
    pub(super) is_reserved: bool,
}

/// What a login has to be judged by.
pub(super) struct Stored {
    /// How far the account has come.
    pub(super) standing: Standing,
    /// Where the password hash stands; another place later says that the password was set anew meanwhile.
    pub(super) place: Option<u64>,
    /// `None` where no password holds, and once it is erased.
    pub(super) password: Option<AccountPassword>,
}

impl Credentials {
    pub(super) fn new(executor: Executor, sealer: Arc<Sealer>, reservations: Reservations) -> Self {
        let asked = moka::sync::Cache::builder()
            .max_capacity(ASKED_MAX)
            .time_to_live(Duration::from_secs(CACHED_KEY_SECONDS_MAX))
            .build();
        Self { executor, sealer, reservations, asked }
    }

    /// Under what an address is reserved.
    pub(super) async fn email_index(&self, email: &str) -> Result<[u8; 32], AuthError> {
        Ok(self.sealer.keyring().blind_index(Secret::EmailIndex, email.as_bytes()).await?)
    }

    /// The command of somebody whom nobody knows, about `subject`. Its id is made under a key: what the log keeps of it says
    /// nothing of what was asked to whoever tries passwords and names.
    pub(super) async fn about(&self, request: &Request, subject: &[u8; 32]) -> Result<Request, KeyError> {
        let name = request.anonymous_name(subject);
        let keyring = self.sealer.keyring();
        Ok(request.anonymous(&keyring.blind_index(Secret::AnonymousCommandIndex, &name).await?))
    }

    /// Under what tries to log in to an address, known or not, from a network are counted.
    pub(super) async fn address_subjects(
        &self,
        email: &str,
        network: Option<Network>,
    ) -> Result<Subjects, AuthError> {
        let address = self.attempt_index("address", &[email.as_bytes()]).await?;
        let bytes = network.map(Network::to_bytes);
        let own = self.attempt_index("address from", &[&address, &bytes.unwrap_or_default()]).await?;
        let network = match bytes {
            Some(bytes) => Some(self.attempt_index("network", &[&bytes]).await?),
            None => None,
        };
        Ok(Subjects { own, wide: Some(Wide { network, address }) })
    }

    /// Under what tries that a device of an account has signed are counted.
    pub(super) async fn device_subjects(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
    ) -> Result<Subjects, AuthError> {
        let parts: [&[u8]; 2] = [account_id.as_bytes(), device_id.as_bytes()];
        Ok(Subjects { own: self.attempt_index("device", &parts).await?, wide: None })
    }

    /// Under what tries in an open session are counted.
    pub(super) async fn session_subjects(&self, session_id: SessionId) -> Result<Subjects, AuthError> {
        Ok(Subjects { own: self.attempt_index("session", &[session_id.as_bytes()]).await?, wide: None })
    }

    /// For whom an account that has shown who it is has its password hashed.
    pub(super) async fn account_payer(
        &self,
        account_id: AccountId,
        network: Option<Network>,
    ) -> Result<Payer, AuthError> {
        Ok(Payer { account: self.attempt_index("account", &[account_id.as_bytes()]).await?, network })
    }

    async fn attempt_index(&self, kind: &str, parts: &[&[u8]]) -> Result<[u8; 32], AuthError> {
        let bytes = [kind.as_bytes(), &[0], &parts.concat()].concat();
        Ok(self.sealer.keyring().blind_index(Secret::LoginAttemptIndex, &bytes).await?)
    }

    /// A normalised address.
    pub(super) async fn address(&self, email: &str) -> Result<Address, AuthError> {
        let index = self.email_index(email).await?;
        let owner = self.reservations.find(ReservationKind::Email, &index).await?;
        let nobody = || derived_id("account of a free address", &[&index]);
        let account_id = owner.map_or_else(nobody, AccountId::from);
        Ok(Address { index, account_id, is_reserved: owner.is_some() })
    }

    /// What a login to an account is judged by. An account that does not exist costs the same.
    pub(super) async fn stored(&self, account_id: AccountId) -> Result<Stored, AuthError> {
        let look = |state: &Account, _| (state.standing(), state.password_place());
        let (standing, place) = self.executor.view(account_id, look).await?;
        self.ask_for_keys(account_id).await?;
        let stream = StreamId::new(Category::Account, account_id);
        let revision = Revision::new(place.unwrap_or_default());
        let events = self.executor.log().read_stream(stream, revision, 1).await?;
        let password = match place {
            Some(place) => self.unseal(stream, place, events.first()).await?,
            None => None,
        };
        Ok(Stored { standing, place, password })
    }

    /// Whether the password is still the one that was found at `place`.
    pub(super) async fn is_current(&self, account_id: AccountId, place: u64) -> Result<bool, AuthError> {
        let now = self.executor.view::<Account, _>(account_id, |state, _| state.password_place()).await?;
        Ok(now == Some(place))
    }

    /// The account's e-mail address; `None` once it is erased.
    pub(crate) async fn contact(&self, account_id: AccountId) -> Result<Option<AccountContact>, AuthError> {
        let place = self.executor.view::<Account, _>(account_id, |state, _| state.contact_place()).await?;
        match place {
            None => Ok(None),
            Some(place) => self.open(account_id, place).await,
        }
    }

    /// Has the keys ready that the account's password is sealed under. Keys that there are not are asked for as seldom as those
    /// that are kept.
    async fn ask_for_keys(&self, account_id: AccountId) -> Result<(), AuthError> {
        if !self.asked.contains_key(&account_id) {
            let keys = KeyRef { tenant: Tenant::Platform, subject: account_id.into(), period: None };
            self.sealer.keyring().keys_for(&[keys]).await?;
            self.asked.insert(account_id, ());
        }
        Ok(())
    }

    async fn open<R: Record>(&self, account_id: AccountId, place: u64) -> Result<Option<R>, AuthError> {
        let stream = StreamId::new(Category::Account, account_id);
        let events = self.executor.log().read_stream(stream, Revision::new(place), 1).await?;
        self.unseal(stream, place, events.first()).await
    }

    async fn unseal<R: Record>(
        &self,
        stream: StreamId,
        place: u64,
        event: Option<&RecordedEvent>,
    ) -> Result<Option<R>, AuthError> {
        let missing = || AuthError::Damaged(format!("{stream} has nothing sealed at revision {place}"));
        let cell = event.and_then(RecordedEvent::sealed_cell).ok_or_else(missing)?;
        Ok(self.sealer.open::<R>(&cell).await?.clear())
    }
}
