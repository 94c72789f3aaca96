//! `PUT /v1/me/devices/{device_id}`

use super::DevicePath;
use domain::device::DeviceLabel;
use domain::device::commands::RenameDevice as RenameDeviceCommand;

use crate::endpoint::prelude::*;

/// The new name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameDeviceBody {
    /// Name to show.
    #[schemars(length(min = 1, max = domain::limits::NAME_CHARS_MAX))]
    pub name: String,
}

/// See [`Endpoint::ABOUT`].
pub struct RenameDevice;

impl Endpoint for RenameDevice {
    const ABOUT: About =
        About::put("devices.rename_device", "/v1/me/devices/{device_id}", "Gives a device another name.")
            .who(who::ACCOUNTS)
            .errors(&["device_not_found", "identity_missing", "device_revoked"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = DevicePath;
    type Query = Nothing;
    type Body = RenameDeviceBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let label = DeviceLabel { name: input.body.name };
        let command = RenameDeviceCommand { device_id: input.path.device_id, label };
        let executed = state.services.devices.rename(&input.intent.request, command).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
