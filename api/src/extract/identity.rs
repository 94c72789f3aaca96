//! Callers at three levels of trust.

pub use commands::auth::access_token::Identity;
use domain::{AccountId, DeviceId, Rejection, SessionId, Timestamp};

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
    /// From when on they have to prove it anew.
    pub expires_at: Timestamp,
}

impl From<Authenticated> for Identity {
    fn from(caller: Authenticated) -> Self {
        let Authenticated { account_id, session_id, device_id, expires_at } = caller;
        Self { account_id, session_id, device_id, expires_at }
    }
}

impl Trust for Authenticated {
    const ACCESS: Access = Access::Account;

    fn admit(identity: Option<Identity>) -> Result<Self, Problem> {
        let Identity { account_id, session_id, device_id, expires_at } =
            identity.ok_or(Code::Unauthenticated)?;
        Ok(Self { account_id, session_id, device_id, expires_at })
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
