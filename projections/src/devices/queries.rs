//! Queries over devices and keys.

use domain::device::DeviceRevocationCause;
use domain::{AccountId, DeviceId, HpkeKey, RecipientId, Signature, Timestamp, VerifyKey};
use eventstore_schema::{Position, SealedCell};

use crate::cell::Sql;
use crate::reader::{Page, QueryError, Reader, Viewer};

crate::result! {
    /// A device as its owner sees it.
    pub struct OwnDeviceView {
        /// The device.
        device_id: DeviceId,
        /// [`domain::device::DeviceLabel`], sealed.
        label: SealedCell,
        /// To wrap for it.
        hpke_key: HpkeKey,
        /// To verify what it signs.
        verify_key: VerifyKey,
        /// The identity key's signature over the device certificate.
        certificate: Signature,
        /// When it was added.
        enrolled_at: Timestamp,
        /// When it was revoked.
        revoked_at: Option<Timestamp>,
        /// Why.
        revocation_cause: Option<DeviceRevocationCause>,
        /// Position that changed it last.
        position: Position,
    }
}

crate::result! {
    /// Identity and recovery key as their owner sees them.
    pub struct OwnKeysView {
        /// Certifies the account's devices and recovery key.
        identity_key: VerifyKey,
        /// Names the recovery key as a recipient of wraps.
        recovery_id: RecipientId,
        /// The recovery key.
        recovery_key: HpkeKey,
        /// The identity key's signature over the recovery certificate.
        recovery_certificate: Signature,
        /// [`domain::device::IdentityVault`], encrypted by the client and sealed.
        vault: SealedCell,
        /// When they were published.
        published_at: Timestamp,
        /// Position that changed them last.
        position: Position,
    }
}

crate::result! {
    /// Identity and recovery key as others see them.
    pub struct PublicKeysView {
        /// Whose.
        account_id: AccountId,
        /// Certifies the account's devices and recovery key.
        identity_key: VerifyKey,
        /// Names the recovery key as a recipient of wraps.
        recovery_id: RecipientId,
        /// The recovery key.
        recovery_key: HpkeKey,
        /// The identity key's signature over the recovery certificate.
        recovery_certificate: Signature,
        /// Position that changed them last.
        position: Position,
    }
}

crate::result! {
    /// A device as others see it.
    pub struct PublicDeviceView {
        /// Whose.
        account_id: AccountId,
        /// The device.
        device_id: DeviceId,
        /// To wrap for it.
        hpke_key: HpkeKey,
        /// To verify what it signs.
        verify_key: VerifyKey,
        /// The identity key's signature over the device certificate.
        certificate: Signature,
        /// When it was revoked; what it signed before still verifies.
        revoked_at: Option<Timestamp>,
        /// Position that changed it last.
        position: Position,
    }
}

/// The viewer's devices, revoked ones too, by id. Ids of devices are their makers': also the least that there can be is listed.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn mine(
    reader: &Reader,
    viewer: &Viewer,
    page: Page<DeviceId>,
) -> Result<Vec<OwnDeviceView>, QueryError> {
    const SQL: &str = "SELECT device_id, label, hpke_key, verify_key, certificate, enrolled_at, revoked_at, \
         revocation_cause, position FROM read.devices \
         WHERE account_id = $1 AND device_id >= $2 AND device_id IS DISTINCT FROM $4 ORDER BY device_id LIMIT $3";
    reader
        .all(viewer, SQL, &[&Sql(viewer.account_id), &Sql(page.behind()), &page.limit(), &Sql(page.after)])
        .await
}

/// The viewer's own keys with the vault.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn own_keys(reader: &Reader, viewer: &Viewer) -> Result<Option<OwnKeysView>, QueryError> {
    const SQL: &str = "SELECT identity_key, recovery_id, recovery_key, recovery_certificate, vault, \
         published_at, position FROM read.user_keys WHERE account_id = $1";
    reader.one(viewer, SQL, &[&Sql(viewer.account_id)]).await
}

/// Public keys of an account, if the viewer shares an organization or a conversation with it.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn public_keys(
    reader: &Reader,
    viewer: &Viewer,
    account_id: AccountId,
) -> Result<Option<PublicKeysView>, QueryError> {
    const SQL: &str = "SELECT account_id, identity_key, recovery_id, recovery_key, recovery_certificate, \
         position FROM read.user_keys WHERE account_id = $1";
    reader.one(viewer, SQL, &[&Sql(account_id)]).await
}

/// Devices of an account, revoked ones too, if the viewer shares an organization or a conversation with it.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn public_devices(
    reader: &Reader,
    viewer: &Viewer,
    account_id: AccountId,
    page: Page<DeviceId>,
) -> Result<Vec<PublicDeviceView>, QueryError> {
    const SQL: &str = "SELECT account_id, device_id, hpke_key, verify_key, certificate, revoked_at, position \
         FROM read.devices WHERE account_id = $1 AND device_id >= $2 AND device_id IS DISTINCT FROM $4 \
         ORDER BY device_id LIMIT $3";
    reader.all(viewer, SQL, &[&Sql(account_id), &Sql(page.behind()), &page.limit(), &Sql(page.after)]).await
}

/// Public keys of accounts, as far as the viewer shares an organization or a conversation with them; others are left out.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn public_keys_of(
    reader: &Reader,
    viewer: &Viewer,
    account_ids: &[AccountId],
) -> Result<Vec<PublicKeysView>, QueryError> {
    const SQL: &str = "SELECT account_id, identity_key, recovery_id, recovery_key, recovery_certificate, \
         position FROM read.user_keys WHERE account_id = ANY($1) ORDER BY account_id";
    let ids: Vec<uuid::Uuid> = account_ids.iter().map(|id| id.as_uuid()).collect();
    reader.all(viewer, SQL, &[&ids]).await
}

/// Devices of accounts, revoked ones too, by account and device, of each at most so many; of those that [`public_keys_of`] shows.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn public_devices_of(
    reader: &Reader,
    viewer: &Viewer,
    account_ids: &[AccountId],
    of_each: u32,
) -> Result<Vec<PublicDeviceView>, QueryError> {
    const SQL: &str = "SELECT d.account_id, d.device_id, d.hpke_key, d.verify_key, d.certificate, d.revoked_at, \
         d.position FROM unnest($1::uuid[]) AS a(id) CROSS JOIN LATERAL (SELECT * FROM read.devices \
         WHERE account_id = a.id ORDER BY device_id LIMIT $2::bigint) AS d ORDER BY d.account_id, d.device_id";
    let ids: Vec<uuid::Uuid> = account_ids.iter().map(|id| id.as_uuid()).collect();
    reader.all(viewer, SQL, &[&ids, &i64::from(of_each)]).await
}
