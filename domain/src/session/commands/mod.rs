//! What can be asked of a session.

mod bind_device;
mod refresh;
mod revoke;
mod start;

pub use bind_device::BindDevice;
pub use refresh::RefreshSession;
pub use revoke::RevokeSession;
pub use start::StartSession;

use crate::command::commands;

use super::{Session, SessionEvent};

commands! {
    /// A command to a session.
    pub enum SessionCommand to Session yielding SessionEvent {
        Start(StartSession);
        Refresh(RefreshSession);
        BindDevice(BindDevice);
        Revoke(RevokeSession);
    }
}
