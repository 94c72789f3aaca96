//! Making the reservations of addresses again from the log.

use domain::account::AccountContact;
use domain::{AccountId, Category};
use eventstore_schema::{LogError, Position, ReadFilter, StreamId};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::accounts::Accounts;
use crate::auth::AuthError;
use crate::reservations::ReservationKind;

/// Registrations that are read from the log together.
const PAGE_EVENTS: usize = 500;
/// Reservations that are looked at together, and of these at once.
const PAGE_RESERVATIONS: u32 = 500;
const ACCOUNTS_AT_ONCE: usize = 32;

impl Accounts {
    /// Restores the reservations of all registered addresses from the log, after a loss of the write side's tables. Those that
    /// are there stay; gives how many were missing. `report` is told how far it is. Safe beside normal operation, and to repeat.
    ///
    /// # Errors
    /// See [`AuthError`]; repeating goes through all of them again.
    pub async fn rebuild_reservations(&self, report: &(dyn Fn(Position) + Sync)) -> Result<u64, AuthError> {
        let filter = ReadFilter { event_types: vec!["account.registered"], ..ReadFilter::default() };
        let (mut after, mut restored) = (None, 0);
        loop {
            let events = self.executor.log().read_all(after, PAGE_EVENTS, &filter).await?;
            let Some(last) = events.last().map(|last| last.position) else { return Ok(restored) };
            after = Some(last);
            let (events, cells): (Vec<_>, Vec<_>) =
                events.iter().filter_map(|event| Some((event, event.sealed_cell()?))).unzip();
            let contacts = self.credentials.sealer.open_all::<AccountContact>(&cells).await?;
            for (event, contact) in events.into_iter().zip(contacts) {
                // An erased address is free again.
                let Some(contact) = contact.clear() else { continue };
                let index = self.credentials.email_index(&contact.email).await?;
                let (kind, owner) = (ReservationKind::Email, event.stream.id);
                restored += u64::from(self.credentials.reservations.restore(kind, &index, owner).await?);
            }
            report(last);
        }
    }

    /// Takes away the reservations for accounts that the log does not have: after it was restored from a backup they would keep
    /// addresses from everybody, also from whom they were for. Gives how many. Servers must not run: what somebody is
    /// registering at this moment is such a reservation, too.
    ///
    /// # Errors
    /// See [`AuthError`]; repeating goes on with the rest.
    pub async fn remove_lost_reservations(&self) -> Result<u64, AuthError> {
        let (kind, reservations) = (ReservationKind::Email, &self.credentials.reservations);
        let (mut after, mut removed) = (None, 0);
        loop {
            let page = reservations.page(kind, after, PAGE_RESERVATIONS).await?;
            let Some((last, _)) = page.last() else { return Ok(removed) };
            after = Some(*last);
            let lost: Vec<_> = stream::iter(page)
                .map(|(index, owner)| async move {
                    let stream = StreamId::new(Category::Account, AccountId::from(owner));
                    let is_there = self.executor.log().last_of_stream(stream).await?.is_some();
                    Ok::<_, LogError>((!is_there).then_some((index, owner)))
                })
                .buffered(ACCOUNTS_AT_ONCE)
                .try_filter_map(async |lost| Ok(lost))
                .try_collect()
                .await?;
            for (index, owner) in lost {
                removed += u64::from(reservations.remove(kind, &index, owner).await?);
            }
        }
    }
}
