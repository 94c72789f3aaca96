//! The audit log's table.

use domain::{ActorKind, CommandId, CorrelationId, DeviceId, Digest, EventId, OrganizationId, Timestamp};
use uuid::Uuid;

crate::table! {
    /// One recorded event's header. `position` is its place in the log.
    pub struct AuditLog in "audit_logs" visible Organization {
        key {
            /// The event.
            event_id: EventId,
        }
        columns {
            /// The organization that it belongs to; none for the platform, whose rows no viewer sees.
            organization_id: Option<OrganizationId>,
            /// What kind of party gave the command.
            actor_kind: ActorKind,
            /// Its id; none for parties without one.
            actor_id: Option<Uuid>,
            /// From which device.
            device_id: Option<DeviceId>,
            /// Name in the catalogue.
            event_type: String,
            /// Version of its stored form.
            version: u32,
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
        indexes [
            "organization_id, position",
            "organization_id, event_type, position",
            "organization_id, actor_id, position",
            "organization_id, stream_id, position",
            "organization_id, recorded_at",
        ]
    }
}
