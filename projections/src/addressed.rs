//! Streams beside its conversations that say something to an account: what its sessions went through, and what became of its
//! memberships in organizations and workspaces.

use domain::AccountId;
use eventstore_schema::{Position, StreamId};

use crate::cell::Sql;
use crate::reader::{QueryError, Reader, Viewer};

/// The projections that know of [`addressed`] streams.
pub const ADDRESSING: &[&str] = &["organizations", "sessions", "workspaces"];

crate::result! {
    /// A stream.
    pub struct Addressed {
        /// Its name.
        stream: String,
    }
}

/// The account's sessions, and the organizations and workspaces whose member it is or was, whose event for the account came
/// behind a position (`None`: at all). With them every stream that one of [`ADDRESSING`] or the conversations put aside: what
/// is in those, rows do not tell.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn addressed(
    reader: &Reader,
    account_id: AccountId,
    after: Option<Position>,
) -> Result<Vec<StreamId>, QueryError> {
    const SQL: &str = "SELECT 'session-' || session_id::text AS stream FROM read.session_tokens \
         WHERE account_id = $1 AND position > $2 \
         UNION ALL SELECT 'organization-' || organization_id::text FROM read.organization_memberships \
         WHERE account_id = $1 AND position > $2 \
         UNION ALL SELECT 'workspace-' || workspace_id::text FROM read.workspace_memberships \
         WHERE account_id = $1 AND position > $2 \
         UNION ALL SELECT DISTINCT stream FROM projection.parked_events \
         WHERE projection IN ('conversations', 'organizations', 'sessions', 'workspaces')";
    let viewer = Viewer { account_id, organization_id: None };
    let after = Sql(after.unwrap_or(Position::new(0)));
    let found: Vec<Addressed> = reader.all(&viewer, SQL, &[&Sql(account_id), &after]).await?;
    Ok(found.iter().filter_map(|row| row.stream.parse().ok()).collect())
}
