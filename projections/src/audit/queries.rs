//! Queries over the audit log. The caller has verified that the viewer may read it.

use domain::{
    AccountId, ActorKind, CommandId, CorrelationId, DeviceId, Digest, EventId, OrganizationId, Timestamp,
};
use eventstore_schema::Position;
use uuid::Uuid;

use crate::cell::Sql;
use crate::reader::{Page, QueryError, Reader, Viewer};

crate::result! {
    /// One recorded event's header.
    pub struct AuditView {
        /// Its place in the log.
        position: Position,
        /// The event.
        event_id: EventId,
        /// What kind of party gave the command.
        actor_kind: ActorKind,
        /// Its id.
        actor_id: Option<Uuid>,
        /// From which device.
        device_id: Option<DeviceId>,
        /// Name in the catalogue.
        event_type: String,
        /// Kind of its stream.
        stream_category: String,
        /// Id of its stream.
        stream_id: Uuid,
        /// Its place in the stream.
        revision: u64,
        /// The command that it came of.
        command_id: CommandId,
        /// The request that set it off.
        correlation_id: CorrelationId,
        /// The event that a reaction answered.
        causation_id: Option<EventId>,
        /// When the command was given.
        recorded_at: Timestamp,
        /// Record hash.
        hash: Digest,
    }
}

/// Which events are wanted; what is `None` excludes nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuditFilter {
    /// Of this name.
    pub event_type: Option<String>,
    /// Set off by this account.
    pub actor: Option<AccountId>,
    /// Of the stream with this id.
    pub stream_id: Option<Uuid>,
    /// Given at this moment or later.
    pub since: Option<Timestamp>,
    /// Given before this moment.
    pub until: Option<Timestamp>,
}

/// An organization's events, oldest first, behind the page's position.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn page(
    reader: &Reader,
    viewer: &Viewer,
    organization_id: OrganizationId,
    filter: &AuditFilter,
    page: Page<Position>,
) -> Result<Vec<AuditView>, QueryError> {
    const SQL: &str = "SELECT position, event_id, actor_kind, actor_id, device_id, event_type, stream_category, \
         stream_id, revision, command_id, correlation_id, causation_id, recorded_at, hash FROM read.audit_logs \
         WHERE organization_id = $1 AND ($2::bigint IS NULL OR position > $2) \
         AND ($3::text IS NULL OR event_type = $3) AND ($4::uuid IS NULL OR actor_id = $4) \
         AND ($5::uuid IS NULL OR stream_id = $5) AND ($6::bigint IS NULL OR recorded_at >= $6) \
         AND ($7::bigint IS NULL OR recorded_at < $7) ORDER BY position LIMIT $8";
    let AuditFilter { event_type, actor, stream_id, since, until } = filter.clone();
    let (kind, actor, stream) = (Sql(event_type), Sql(actor), Sql(stream_id));
    let (since, until) = (Sql(since), Sql(until));
    let after = Sql(page.after);
    reader
        .all(
            viewer,
            SQL,
            &[&Sql(organization_id), &after, &kind, &actor, &stream, &since, &until, &page.limit()],
        )
        .await
}
