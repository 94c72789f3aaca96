//! What happens to a session.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codes::codes;
use crate::event::events;
use crate::{AccountId, DeviceId, Digest, SessionId, Timestamp};

use super::SessionOrigin;

codes! {
    /// Why a session ended.
    pub enum SessionRevocationCause {
        /// Its owner logged out.
        Logout = 1, "logout";
        /// Its owner ended it from elsewhere.
        Requested = 2, "requested";
        /// A refresh token was used again after its successor: somebody has a copy.
        RefreshTokenReused = 3, "refresh_token_reused";
        /// The password was changed or reset.
        PasswordChanged = 4, "password_changed";
        /// Its device was revoked.
        DeviceRevoked = 5, "device_revoked";
    }
}

events! {
    /// Everything that happens to a session.
    pub enum SessionEvent in Session as Session {
        /// See [`SessionStarted`].
        Started(SessionStarted) = "session.started", 1, sealed in SessionOrigin;
        /// See [`SessionRefreshed`].
        Refreshed(SessionRefreshed) = "session.refreshed", 1;
        /// See [`SessionDeviceBound`].
        DeviceBound(SessionDeviceBound) = "session.device_bound", 1;
        /// See [`SessionRevoked`].
        Revoked(SessionRevoked) = "session.revoked", 1;
    }
}

/// Somebody logged in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStarted {
    /// The session.
    pub session_id: SessionId,
    /// Who logged in.
    pub account_id: AccountId,
    /// From which of the account's devices, if it is one already.
    pub device_id: Option<DeviceId>,
    /// BLAKE3 of the first refresh token.
    pub refresh_hash: Digest,
    /// From when on the refresh token is refused.
    pub expires_at: Timestamp,
    /// Revision, in the account's stream, of the password that was verified: when another takes its place, the session ends,
    /// unless the password was changed in it.
    pub password_revision: u64,
}

/// The refresh token was exchanged for its successor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionRefreshed {
    /// The session.
    pub session_id: SessionId,
    /// The account.
    pub account_id: AccountId,
    /// Number of this exchange, from 1.
    pub rotation: u32,
    /// BLAKE3 of the new refresh token.
    pub refresh_hash: Digest,
    /// From when on the new one is refused.
    pub expires_at: Timestamp,
    /// The session's device, where its key signed the request.
    pub signed_by: Option<DeviceId>,
}

/// The session acts for this device from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionDeviceBound {
    /// The session.
    pub session_id: SessionId,
    /// The account.
    pub account_id: AccountId,
    /// The device.
    pub device_id: DeviceId,
}

/// The session ended: none of its tokens holds any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionRevoked {
    /// The session.
    pub session_id: SessionId,
    /// The account.
    pub account_id: AccountId,
    /// Why.
    pub cause: SessionRevocationCause,
}
