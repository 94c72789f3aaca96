//! `GET /v1/me/devices`

use crate::extract::{Page, PageAnswer};
use domain::device::{DeviceLabel, DeviceRevocationCause};
use domain::{DeviceId, HpkeKey, Signature, Timestamp, VerifyKey};
use eventstore_schema::Opened;
use projections::Viewer;
use projections::devices::queries;

use crate::endpoint::prelude::*;

/// One of the caller's devices.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Device")]
pub struct DeviceAnswer {
    /// Its id.
    pub device_id: DeviceId,
    /// Name to show; null when erased.
    pub name: Option<String>,
    /// Whether the name was erased.
    pub erased: bool,
    /// To wrap for it.
    pub hpke_key: HpkeKey,
    /// To verify what it signs.
    pub verify_key: VerifyKey,
    /// The identity key's signature over the device certificate.
    pub certificate: Signature,
    /// When it was added.
    pub enrolled_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Why.
    pub revocation_cause: Option<DeviceRevocationCause>,
}

impl From<(queries::OwnDeviceView, Opened<DeviceLabel>)> for DeviceAnswer {
    fn from((row, label): (queries::OwnDeviceView, Opened<DeviceLabel>)) -> Self {
        Self {
            device_id: row.device_id,
            erased: label == Opened::Erased,
            name: label.clear().map(|label| label.name),
            hpke_key: row.hpke_key,
            verify_key: row.verify_key,
            certificate: row.certificate,
            enrolled_at: row.enrolled_at,
            revoked_at: row.revoked_at,
            revocation_cause: row.revocation_cause,
        }
    }
}

/// Which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListDevicesQuery {
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most rows, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListDevices;

impl Endpoint for ListDevices {
    const ABOUT: About =
        About::get("devices.list_devices", "/v1/me/devices", "Lists the caller's devices, revoked ones too.")
            .who(who::ACCOUNTS)
            .reads(&["devices"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = Nothing;
    type Query = ListDevicesQuery;
    type Body = Nothing;
    type Answer = PageAnswer<DeviceAnswer>;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<PageAnswer<DeviceAnswer>>, Problem> {
        let account_id = input.caller.account_id;
        let viewer = Viewer { account_id, organization_id: None };
        let page = Page::of::<Self>(state, account_id, &input.query.cursor, input.query.limit)?;
        let rows = queries::mine(&input.intent.reader, &viewer, page.query()).await?;
        let last = rows.last().map(|row| row.device_id);
        let labels = state.open::<DeviceLabel>(rows.iter().map(|row| row.label.clone())).await?;
        let items = rows.into_iter().zip(labels).map(DeviceAnswer::from).collect();
        PageAnswer::of::<Self, _>(state, account_id, &page, items, last).map(Reply::new)
    }
}
