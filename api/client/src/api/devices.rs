//! Identity keys and devices.

use domain::device::DeviceRevocationCause;
use domain::{AccountId, Blob, DeviceId};
use serde_json::json;

use super::dto;
use crate::e2ee::{ClaimedDevice, ClaimedKeys, Vault};
use crate::http::Outgoing;
use crate::problem::ApiError;
use crate::session::Session;

/// Publishes the account's identity and recovery key; `sealed` is the vault, encrypted.
///
/// # Errors
/// Each [`ApiError`].
pub async fn publish_identity(
    session: &Session,
    account: AccountId,
    vault: &Vault,
    sealed: Vec<u8>,
) -> Result<(), ApiError> {
    let body = json!({
        "identity_key": vault.identity.public(),
        "recovery_id": vault.recovery.recipient_id(),
        "recovery_key": vault.recovery.secret().public(),
        "recovery_certificate": vault.identity.certify_recovery(account, &vault.recovery),
        "encrypted_private_key": Blob::new(sealed),
    });
    session.done(Outgoing::post("/v1/me/identity").json(&body)).await
}

/// The account's vault, encrypted; `None` when it has published no identity.
///
/// # Errors
/// Each [`ApiError`].
pub async fn vault(session: &Session) -> Result<Option<Blob>, ApiError> {
    let answer = session.call::<dto::OwnIdentity>(Outgoing::get("/v1/me/identity")).await;
    found(answer.map(|answer| answer.body.encrypted_private_key)).map(Option::flatten)
}

/// Enrolls a device and binds the session to it.
///
/// # Errors
/// Each [`ApiError`].
pub async fn enroll(session: &Session, certified: &ClaimedDevice, name: &str) -> Result<(), ApiError> {
    let body = json!({
        "device_id": certified.device_id,
        "hpke_key": certified.hpke_key,
        "verify_key": certified.verify_key,
        "certificate": certified.certificate,
        "name": name,
    });
    session.done(Outgoing::post("/v1/me/devices").keyed(certified.device_id).json(&body)).await
}

/// The account's devices.
///
/// # Errors
/// Each [`ApiError`].
pub async fn list(session: &Session) -> Result<Vec<dto::Device>, ApiError> {
    let page: dto::Page<dto::Device> = session.call(Outgoing::get("/v1/me/devices")).await?.body;
    Ok(page.items)
}

/// Gives a device another name.
///
/// # Errors
/// Each [`ApiError`].
pub async fn rename(session: &Session, device: DeviceId, name: &str) -> Result<(), ApiError> {
    let request = Outgoing::put(format!("/v1/me/devices/{device}")).json(&json!({ "name": name }));
    session.done(request).await
}

/// Revokes a device, for good.
///
/// # Errors
/// Each [`ApiError`].
pub async fn revoke(
    session: &Session,
    device: DeviceId,
    cause: DeviceRevocationCause,
) -> Result<(), ApiError> {
    let path = format!("/v1/me/devices/{device}/revoke");
    session.done(Outgoing::post(path).json(&json!({ "cause": cause }))).await
}

/// The keys of an account, as the server tells of them; `None` when there are none.
///
/// # Errors
/// Each [`ApiError`].
pub async fn keys_of(session: &Session, account: AccountId) -> Result<Option<ClaimedKeys>, ApiError> {
    let answer =
        session.call::<dto::AccountKeys>(Outgoing::get(format!("/v1/accounts/{account}/keys"))).await;
    found(answer.map(|answer| answer.body.into()))
}

/// Most accounts that one request names.
pub const ACCOUNTS_MAX: usize = 50;

/// The public keys of several accounts, [`ACCOUNTS_MAX`] at most, as the server tells of them; those are left out that there are none
/// of, and those with more devices than the server lists beside others'.
///
/// # Errors
/// Each [`ApiError`].
pub async fn keys_of_all(session: &Session, accounts: &[AccountId]) -> Result<Vec<ClaimedKeys>, ApiError> {
    let request = Outgoing::get("/v1/accounts/keys").query("accounts", Some(listed(accounts)));
    let page: dto::Page<dto::OneOfManyKeys> = session.call(request).await?.body;
    let whole = page.items.into_iter().filter(|one| !one.has_more_devices);
    Ok(whole.map(|one| one.keys.into()).collect())
}

/// What several accounts tell of themselves, [`ACCOUNTS_MAX`] at most; those that one may not see are left out.
///
/// # Errors
/// Each [`ApiError`].
pub async fn profiles(session: &Session, accounts: &[AccountId]) -> Result<Vec<dto::Profile>, ApiError> {
    let request = Outgoing::get("/v1/accounts/profiles").query("accounts", Some(listed(accounts)));
    let page: dto::Page<dto::Profile> = session.call(request).await?.body;
    Ok(page.items)
}

fn listed(accounts: &[AccountId]) -> String {
    accounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// `None` for what the server does not find.
fn found<T>(answer: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.problem().is_some_and(|problem| problem.status == 404) => Ok(None),
        Err(error) => Err(error),
    }
}

impl From<dto::AccountKeys> for ClaimedKeys {
    fn from(told: dto::AccountKeys) -> Self {
        let devices = told.devices.into_iter().map(|device| ClaimedDevice {
            device_id: device.device_id,
            hpke_key: device.hpke_key,
            verify_key: device.verify_key,
            certificate: device.certificate,
            revoked: device.revoked,
        });
        Self {
            account_id: told.account_id,
            identity_key: told.identity_key,
            recovery_id: told.recovery_id,
            recovery_key: told.recovery_key,
            recovery_certificate: told.recovery_certificate,
            devices: devices.collect(),
        }
    }
}
