//! Queries over the sessions.

use domain::session::SessionRevocationCause;
use domain::{DeviceId, SessionId, Timestamp};
use eventstore_schema::{Position, SealedCell};

use crate::cell::Sql;
use crate::reader::{Page, QueryError, Reader, Viewer};

crate::result! {
    /// A session as its owner sees it.
    pub struct SessionView {
        /// The session.
        session_id: SessionId,
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
        /// Position that changed it last.
        position: Position,
    }
}

/// The viewer's sessions that have not been ended, by id. Those that ran out by themselves are among them: the caller, who
/// knows the time, tells by `expires_at`.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn mine(
    reader: &Reader,
    viewer: &Viewer,
    page: Page<SessionId>,
) -> Result<Vec<SessionView>, QueryError> {
    const SQL: &str = "SELECT session_id, device_id, origin, started_at, refreshed_at, expires_at, revoked_at, \
         revocation_cause, position FROM read.session_tokens WHERE account_id = $1 AND revoked_at IS NULL \
         AND session_id > $2 ORDER BY session_id LIMIT $3";
    reader.all(viewer, SQL, &[&Sql(viewer.account_id), &Sql(page.behind()), &page.limit()]).await
}
