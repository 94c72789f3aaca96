//! Identity keys and devices.

use domain::DeviceId;
use schemars::JsonSchema;
use serde::Deserialize;

pub mod enroll_device;
pub mod get_identity;
pub mod list_devices;
pub mod publish_identity;
pub mod rename_device;
pub mod revoke_device;

/// Names one of the caller's devices.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct DevicePath {
    /// The device.
    pub device_id: DeviceId,
}
