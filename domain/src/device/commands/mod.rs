//! What can be asked of an account's keys and devices.

mod enroll;
mod publish_identity;
mod rename;
mod revoke;

pub use enroll::EnrollDevice;
pub use publish_identity::PublishIdentity;
pub use rename::RenameDevice;
pub use revoke::RevokeDevice;

use crate::command::commands;

use super::{DeviceEvent, DeviceSet};

commands! {
    /// A command to the keys and devices of one account.
    pub enum DeviceCommand to DeviceSet yielding DeviceEvent {
        PublishIdentity(PublishIdentity);
        Enroll(EnrollDevice);
        Rename(RenameDevice);
        Revoke(RevokeDevice);
    }
}
