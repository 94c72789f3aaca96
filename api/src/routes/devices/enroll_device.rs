//! `POST /v1/me/devices`

use domain::device::DeviceLabel;
use domain::device::commands::EnrollDevice as EnrollDeviceCommand;
use domain::{DeviceId, HpkeKey, Signature, VerifyKey};

use crate::endpoint::prelude::*;

/// The device.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrollDeviceBody {
    /// Its id, made by the client.
    pub device_id: DeviceId,
    /// To wrap for it.
    pub hpke_key: HpkeKey,
    /// To verify what it signs.
    pub verify_key: VerifyKey,
    /// The identity key's signature over the device certificate.
    pub certificate: Signature,
    /// Name to show.
    #[schemars(length(min = 1, max = domain::limits::NAME_CHARS_MAX))]
    pub name: String,
}

/// See [`Endpoint::ABOUT`].
pub struct EnrollDevice;

impl Endpoint for EnrollDevice {
    const ABOUT: About = About::post(
        "devices.enroll_device",
        "/v1/me/devices",
        "Adds a device and binds the session to it.\n\nRefresh the access token afterwards: the next one speaks for the device.",
    )
    .who(who::ACCOUNTS)
    .status(204)
    .errors(&["identity_missing", "device_exists", "device_limit", "certificate_invalid", "session_bound", "device_revoked", "session_ended"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = Nothing;
    type Query = Nothing;
    type Body = EnrollDeviceBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let EnrollDeviceBody { device_id, hpke_key, verify_key, certificate, name } = input.body;
        let label = DeviceLabel { name };
        let command = EnrollDeviceCommand { device_id, hpke_key, verify_key, certificate, label };
        let executed =
            state.services.devices.enroll(&input.intent.request, input.caller.session_id, command).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
