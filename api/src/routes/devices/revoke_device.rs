//! `POST /v1/me/devices/{device_id}/revoke`

use super::DevicePath;
use domain::device::DeviceRevocationCause;
use domain::device::commands::RevokeDevice as RevokeDeviceCommand;

use crate::endpoint::prelude::*;

/// Why.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeDeviceBody {
    /// The cause.
    pub cause: DeviceRevocationCause,
}

/// See [`Endpoint::ABOUT`].
pub struct RevokeDevice;

impl Endpoint for RevokeDevice {
    const ABOUT: About = About::post(
        "devices.revoke_device",
        "/v1/me/devices/{device_id}/revoke",
        "Revokes a device, for good.\n\nIts sessions end. Its conversations need a new generation before anything can be sent.",
    )
    .who(who::ACCOUNTS)
    .status(204)
    .errors(&["device_not_found", "identity_missing"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = DevicePath;
    type Query = Nothing;
    type Body = RevokeDeviceBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let command = RevokeDeviceCommand { device_id: input.path.device_id, cause: input.body.cause };
        let executed = state.services.devices.revoke(&input.intent.request, command).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
