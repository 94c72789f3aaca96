//! Finds accounts by what people type, and what is stored to verify it.

use std::sync::Arc;

use domain::account::{Account, AccountContact, AccountPassword};
use domain::{AccountId, Category, DeviceId, Record, SessionId};
use eventstore_schema::keyring::Secret;
use eventstore_schema::{Revision, Sealer, StreamId};

use crate::auth::AuthError;
use crate::auth::attempts::{Subjects, Wide};
use crate::auth::turns::Payer;
use crate::executor::Executor;
use crate::network::Network;
use crate::reservations::{ReservationKind, Reservations};

/// Looks credentials up.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(super) executor: Executor,
    pub(super) sealer: Arc<Sealer>,
    pub(super) reservations: Reservations,
}

/// What a login has to be judged by.
pub(super) struct Stored {
    /// Where the password hash stands; another place later says that the password was set anew meanwhile.
    pub(super) place: u64,
    /// `None` once it is erased.
    pub(super) password: Option<AccountPassword>,
}

impl Credentials {
    /// Under what an address is reserved.
    pub(super) async fn email_index(&self, email: &str) -> Result<[u8; 32], AuthError> {
        Ok(self.sealer.keyring().blind_index(Secret::EmailIndex, email.as_bytes()).await?)
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

    /// The account of a normalised address.
    pub(super) async fn find(&self, email: &str) -> Result<Option<AccountId>, AuthError> {
        let index = self.email_index(email).await?;
        let Some(row) = self.reservations.find(ReservationKind::Email, &index).await? else {
            return Ok(None);
        };
        let account_id = AccountId::from(row.owner);
        Ok(self.exists(account_id).await?.then_some(account_id))
    }

    /// Whether the account was registered.
    pub(super) async fn exists(&self, account_id: AccountId) -> Result<bool, AuthError> {
        Ok(self.executor.view::<Account, _>(account_id, |state, _| state.exists()).await?)
    }

    /// The stored password hash of an account.
    pub(super) async fn stored(&self, account_id: AccountId) -> Result<Option<Stored>, AuthError> {
        let place = self.executor.view::<Account, _>(account_id, |state, _| state.password_place()).await?;
        let Some(place) = place else { return Ok(None) };
        Ok(Some(Stored { place, password: self.open(account_id, place).await? }))
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

    async fn open<R: Record>(&self, account_id: AccountId, place: u64) -> Result<Option<R>, AuthError> {
        let stream = StreamId::new(Category::Account, account_id);
        let events = self.executor.log().read_stream(stream, Revision::new(place), 1).await?;
        let cell = events.first().and_then(|event| event.sealed_cell());
        let missing = || AuthError::Damaged(format!("{stream} has nothing sealed at revision {place}"));
        Ok(self.sealer.open::<R>(&cell.ok_or_else(missing)?).await?.clear())
    }
}
