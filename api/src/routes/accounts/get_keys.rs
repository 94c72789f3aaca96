//! `GET /v1/accounts/{account_id}/keys`

use super::AccountPath;
use domain::{AccountId, DeviceId, HpkeKey, RecipientId, Rejection, Signature, Timestamp, VerifyKey};
use projections::devices::queries;
use projections::{PAGE_ROWS_MAX, Page, Reader, Viewer};

use crate::endpoint::prelude::*;
use crate::limits::DEVICES_SHOWN_MAX;

/// Public keys of a device.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeviceKeys")]
pub struct DeviceKeysAnswer {
    /// The device.
    pub device_id: DeviceId,
    /// To wrap for it.
    pub hpke_key: HpkeKey,
    /// To verify what it signs.
    pub verify_key: VerifyKey,
    /// The identity key's signature over the device certificate.
    pub certificate: Signature,
    /// Whether it was revoked; what it signed before still verifies.
    pub revoked: bool,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Public keys of an account.
#[derive(Serialize, JsonSchema)]
pub struct GetKeysAnswer {
    /// Whose.
    pub account_id: AccountId,
    /// Certifies the devices and the recovery key.
    pub identity_key: VerifyKey,
    /// Names the recovery key as a recipient of wraps.
    pub recovery_id: RecipientId,
    /// The recovery key.
    pub recovery_key: HpkeKey,
    /// The identity key's signature over the recovery certificate.
    pub recovery_certificate: Signature,
    /// By id.
    pub devices: Vec<DeviceKeysAnswer>,
}

/// See [`Endpoint::ABOUT`].
pub struct GetKeys;

impl Endpoint for GetKeys {
    const ABOUT: About = About::get(
        "accounts.get_keys",
        "/v1/accounts/{account_id}/keys",
        "Shows the public keys of an account and its devices, revoked ones too.\n\nTo members of the same organizations and conversations.",
    )
    .who(who::RELATED)
    .errors(&["account_not_found"])
    .reads(&["devices", "organizations", "conversations", "workspaces"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = AccountPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = GetKeysAnswer;

    async fn handle(_: &State, input: Input<Self>) -> Result<Reply<GetKeysAnswer>, Problem> {
        let viewer = Viewer { account_id: input.caller.account_id, organization_id: None };
        let account_id = input.path.account_id;
        let keys = queries::public_keys(&input.intent.reader, &viewer, account_id).await?;
        let keys = keys.ok_or(Rejection::AccountNotFound)?;
        let devices = devices(&input.intent.reader, &viewer, account_id).await?;
        Ok(Reply::new(GetKeysAnswer::new(&keys, devices)))
    }
}

impl DeviceKeysAnswer {
    /// What others see of a device.
    pub fn new(row: &queries::PublicDeviceView) -> Self {
        Self {
            device_id: row.device_id,
            hpke_key: row.hpke_key,
            verify_key: row.verify_key,
            certificate: row.certificate,
            revoked: row.revoked_at.is_some(),
            revoked_at: row.revoked_at,
        }
    }
}

impl GetKeysAnswer {
    /// What others see of an account's keys, with its devices.
    pub fn new(keys: &queries::PublicKeysView, devices: Vec<DeviceKeysAnswer>) -> Self {
        Self {
            account_id: keys.account_id,
            identity_key: keys.identity_key,
            recovery_id: keys.recovery_id,
            recovery_key: keys.recovery_key,
            recovery_certificate: keys.recovery_certificate,
            devices,
        }
    }
}

async fn devices(
    reader: &Reader,
    viewer: &Viewer,
    account_id: AccountId,
) -> Result<Vec<DeviceKeysAnswer>, Problem> {
    let mut devices: Vec<DeviceKeysAnswer> = Vec::new();
    while devices.len() < DEVICES_SHOWN_MAX {
        let page = Page::new(devices.last().map(|device| device.device_id), PAGE_ROWS_MAX);
        let rows = queries::public_devices(reader, viewer, account_id, page).await?;
        if rows.is_empty() {
            break;
        }
        devices.extend(rows.iter().map(DeviceKeysAnswer::new));
    }
    Ok(devices)
}
