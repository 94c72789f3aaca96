//! What can be asked of a session.

use crate::{AccountId, DeviceId, Digest, SessionId};

use super::{SessionOrigin, SessionRevocationCause};

/// A command to a session.
#[derive(Clone, Debug)]
pub enum SessionCommand {
    /// See [`StartSession`].
    Start(StartSession),
    /// See [`RefreshSession`].
    Refresh(RefreshSession),
    /// See [`BindDevice`].
    BindDevice(BindDevice),
    /// See [`RevokeSession`].
    Revoke(RevokeSession),
}

/// Starts a session after the password was verified.
#[derive(Clone, Debug)]
pub struct StartSession {
    /// The session.
    pub session_id: SessionId,
    /// Who logs in.
    pub account_id: AccountId,
    /// From which active device of the account, if any.
    pub device_id: Option<DeviceId>,
    /// BLAKE3 of the first refresh token.
    pub refresh_hash: Digest,
    /// Where from.
    pub origin: SessionOrigin,
}

/// Exchanges the refresh token.
///
/// The current token is exchanged. The one before it is answered again with no event, so that a lost answer can be
/// repeated once. Any older one revokes the session (the decision is an event, not a rejection).
#[derive(Clone, Debug)]
pub struct RefreshSession {
    /// BLAKE3 of the token presented.
    pub presented_hash: Digest,
    /// BLAKE3 of its successor.
    pub successor_hash: Digest,
}

/// Binds the session to a device of its account; once.
#[derive(Clone, Debug)]
pub struct BindDevice {
    /// An active device of the session's account.
    pub device_id: DeviceId,
}

/// Ends the session. Ending it again does nothing.
#[derive(Clone, Debug)]
pub struct RevokeSession {
    /// Why.
    pub cause: SessionRevocationCause,
}
