//! The audit log: one row for every event there is.

pub mod queries;
mod tables;
#[cfg(test)]
mod tests;

pub use tables::*;

use domain::ActorKind;
use uuid::Uuid;

use crate::projector::{Decoded, Projector};
use crate::rows::{FoldError, Keys, Rows, TableDef};

/// The projection `audit`.
pub struct Audit;

impl Projector for Audit {
    fn name(&self) -> &'static str {
        "audit"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [TableDef] {
        const TABLES: &[TableDef] = &[TableDef::of::<AuditLog>()];
        TABLES
    }

    fn keys(&self, event: &Decoded, keys: &mut Keys<'_>) {
        keys.fresh::<AuditLog>(event.recorded.event_id);
    }

    fn apply(&self, event: &Decoded, rows: &mut Rows) -> Result<(), FoldError> {
        let recorded = &event.recorded;
        let origin = &recorded.origin;
        let actor_id = match origin.actor.kind {
            ActorKind::Account => Some(Uuid::from_bytes(origin.actor.id)),
            ActorKind::Anonymous | ActorKind::System | ActorKind::Operator => None,
        };
        rows.insert(AuditLog {
            event_id: recorded.event_id,
            organization_id: origin.organization_id,
            actor_kind: origin.actor.kind,
            actor_id,
            device_id: origin.device_id,
            event_type: recorded.event_type.clone(),
            version: u32::from(recorded.version),
            stream_category: recorded.stream.category.name().to_owned(),
            stream_id: recorded.stream.id,
            revision: recorded.revision.get(),
            command_id: recorded.command_id,
            correlation_id: origin.correlation_id,
            causation_id: origin.causation_id,
            recorded_at: origin.recorded_at,
            hash: recorded.hash,
        })
    }
}
