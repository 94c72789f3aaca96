//! Tables of the sessions.

use domain::session::SessionRevocationCause;
use domain::{AccountId, DeviceId, Digest, SessionId, Timestamp};
use eventstore_schema::SealedCell;

crate::table! {
    /// A login session.
    pub struct SessionToken in "session_tokens" visible Account {
        key {
            /// The session.
            session_id: SessionId,
        }
        columns {
            /// Whose.
            account_id: AccountId,
            /// The device that it acts for.
            device_id: Option<DeviceId>,
            /// [`domain::session::SessionOrigin`], sealed.
            origin: SealedCell,
            /// When it was started.
            started_at: Timestamp,
            /// When its refresh token was exchanged last.
            refreshed_at: Option<Timestamp>,
            /// When it ends unless it is refreshed.
            expires_at: Timestamp,
            /// When it was ended.
            revoked_at: Option<Timestamp>,
            /// Why.
            revocation_cause: Option<SessionRevocationCause>,
        }
        indexes ["account_id, session_id"]
    }
}

crate::table! {
    /// A session's refresh token: the one that holds and the one before. Older ones are known by not being here.
    pub struct RefreshToken in "refresh_tokens" visible Account {
        key {
            /// The session.
            session_id: SessionId,
            /// Number of the exchange that made it; 0 for the first.
            rotation: u32,
        }
        columns {
            /// Whose.
            account_id: AccountId,
            /// BLAKE3 of the token.
            refresh_hash: Digest,
            /// When it was made.
            issued_at: Timestamp,
            /// From when on it is refused.
            expires_at: Timestamp,
            /// When it was exchanged for its successor, or its session ended.
            ended_at: Option<Timestamp>,
        }
        sets {
            /// Refresh tokens of a session.
            RefreshTokensOf { session_id: SessionId }
        }
    }
}
