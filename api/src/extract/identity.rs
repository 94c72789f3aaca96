//! Callers at three levels of trust.

pub use commands::auth::access_token::Identity;
use domain::{AccountId, DeviceId, Rejection, SessionId};

use crate::endpoint::{Access, Trust};
use crate::problem::{Code, Problem};

/// Anybody, logged in or not.
#[derive(Clone, Copy, Debug)]
pub struct Anonymous {}

impl Trust for Anonymous {
    const ACCESS: Access = Access::Anonymous;

    fn admit(_: Option<Identity>) -> Result<Self, Problem> {
        Ok(Self {})
    }
}

/// Somebody who is logged in.
#[derive(Clone, Copy, Debug)]
pub struct Authenticated {
    /// Who.
    pub account_id: AccountId,
    /// In which session.
    pub session_id: SessionId,
    /// On which device, if on one.
    pub device_id: Option<DeviceId>,
}

impl Trust for Authenticated {
    const ACCESS: Access = Access::Account;

    fn admit(identity: Option<Identity>) -> Result<Self, Problem> {
        let Identity { account_id, session_id, device_id, expires_at: _ } =
            identity.ok_or(Code::Unauthenticated)?;
        Ok(Self { account_id, session_id, device_id })
    }
}

/// Somebody who is logged in on one of their devices.
#[derive(Clone, Copy, Debug)]
pub struct DeviceBound {
    /// Who.
    pub account_id: AccountId,
    /// On which device.
    pub device_id: DeviceId,
}

impl Trust for DeviceBound {
    const ACCESS: Access = Access::Device;

    fn admit(identity: Option<Identity>) -> Result<Self, Problem> {
        let caller = Authenticated::admit(identity)?;
        let device_id = caller.device_id.ok_or(Rejection::DeviceRequired)?;
        Ok(Self { account_id: caller.account_id, device_id })
    }
}
