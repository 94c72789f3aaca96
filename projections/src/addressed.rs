//! Streams beside its conversations that say something to an account: what its sessions went through, and what became of its
//! memberships in organizations and workspaces.

use domain::AccountId;
use eventstore_schema::{Position, StreamId};

use crate::cell::Sql;
use crate::reader::{QueryError, Reader, Viewer};

/// The projections that know of [`addressed`] streams, and of what members acknowledged.
pub const ADDRESSING: &[&str] = &["messages", "organizations", "sessions", "workspaces"];

crate::result! {
    /// A stream.
    pub struct Addressed {
        /// Its name.
        stream: String,
    }
}

/// The account's sessions, and the organizations and workspaces whose member it is or was, whose event for the account came
/// behind a position (`None`: at all). With them the streams of these organizations, and of those whose own stream is put aside,
/// that one of [`ADDRESSING`] or the conversations put aside: what is in those, rows do not tell.
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
         UNION SELECT stream FROM read.organizations_parked UNION SELECT stream FROM read.sessions_parked \
         UNION SELECT p.stream FROM (SELECT * FROM read.conversations_parked \
         UNION ALL SELECT * FROM read.workspaces_parked UNION ALL SELECT * FROM read.messages_parked) AS p \
         WHERE EXISTS (SELECT FROM read.organization_memberships AS m \
         WHERE m.account_id = $1 AND m.organization_id = p.organization_id) \
         OR EXISTS (SELECT FROM read.organizations_parked AS o WHERE o.organization_id = p.organization_id)";
    let viewer = Viewer { account_id, organization_id: None };
    let after = Sql(after.unwrap_or(Position::new(0)));
    let found: Vec<Addressed> = reader.all(&viewer, SQL, &[&Sql(account_id), &after]).await?;
    Ok(found.iter().filter_map(|row| row.stream.parse().ok()).collect())
}
