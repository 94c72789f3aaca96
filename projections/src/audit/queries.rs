//! Queries over the audit log. The caller has verified that the viewer may read it.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{
    AccountId, ActorKind, CommandId, CorrelationId, DeviceId, Digest, EventId, OrganizationId, Timestamp,
};
use eventstore_schema::Position;
use tokio_postgres::types::ToSql;
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

/// Which way a page of the audit log runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// From the newest back: what people look at.
    #[default]
    NewestFirst,
    /// From the oldest on: what a history is replayed in.
    OldestFirst,
}

/// How far the clocks of two nodes may be apart for a search by time to find all there is.
pub const CLOCKS_APART_MAX: Duration = Duration::from_secs(3_600);

/// An organization's events between two moments, in an order, behind the page's position.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn page(
    reader: &Reader,
    viewer: &Viewer,
    organization_id: OrganizationId,
    filter: &AuditFilter,
    order: Order,
    page: Page<Position>,
) -> Result<Vec<AuditView>, QueryError> {
    let (mut above, mut below) = between(reader, viewer, organization_id, filter).await?;
    match (order, page.after) {
        (Order::NewestFirst, Some(after)) => below = below.min(signed(after)),
        (Order::OldestFirst, Some(after)) => above = above.max(signed(after)),
        (_, None) => {}
    }
    let moment = |time: Option<Timestamp>, open: i64| time.map_or(open, Timestamp::as_micros);
    let (since, until) = (moment(filter.since, i64::MIN), moment(filter.until, i64::MAX));
    let limit = page.limit();
    let (organization, actor) = (Sql(organization_id), filter.actor.map(|id| Sql(id.as_uuid())));
    let mut parameters: Vec<&(dyn ToSql + Sync)> =
        vec![&organization, &above, &below, &since, &until, &limit];
    parameters.extend(filter.event_type.as_ref().map(|name| name as &(dyn ToSql + Sync)));
    parameters.extend(actor.as_ref().map(|id| id as &(dyn ToSql + Sync)));
    parameters.extend(filter.stream_id.as_ref().map(|id| id as &(dyn ToSql + Sync)));
    reader.all(viewer, statement(filter, order), &parameters).await
}

fn signed(position: Position) -> i64 {
    i64::try_from(position.get()).unwrap_or(i64::MAX)
}

/// The equalities that a filter may ask for.
const EQUALITIES: [&str; 3] = ["event_type", "actor_id", "stream_id"];

/// The statement for what a filter asks for: each is planned by itself, so that every equality may find an index.
fn statement(filter: &AuditFilter, order: Order) -> &'static str {
    /// By equalities asked for, a bit each, and order.
    static STATEMENTS: LazyLock<[[String; 2]; 8]> = LazyLock::new(|| {
        std::array::from_fn(|asked| [Order::NewestFirst, Order::OldestFirst].map(|order| write(asked, order)))
    });
    let asked = [filter.event_type.is_some(), filter.actor.is_some(), filter.stream_id.is_some()];
    let asked = asked.into_iter().rev().fold(0, |bits, is_asked| bits << 1 | usize::from(is_asked));
    STATEMENTS.get(asked).and_then(|of| of.get(order as usize)).map_or("", String::as_str)
}

fn write(asked: usize, order: Order) -> String {
    let direction = match order {
        Order::NewestFirst => "DESC",
        Order::OldestFirst => "ASC",
    };
    let equalities: String = EQUALITIES
        .iter()
        .enumerate()
        .filter(|(bit, _)| asked & (1 << bit) != 0)
        .zip(7..)
        .map(|((_, column), parameter)| format!(" AND {column} = ${parameter}"))
        .collect();
    // The sums keep the planner from the index by time, which would have it sort all there is behind a moment.
    format!(
        "SELECT position, event_id, actor_kind, actor_id, device_id, event_type, stream_category, stream_id, revision, \
         command_id, correlation_id, causation_id, recorded_at, hash FROM read.audit_logs \
         WHERE organization_id = $1 AND position > $2 AND position < $3 AND recorded_at + 0 >= $4 \
         AND recorded_at + 0 < $5{equalities} ORDER BY position {direction} LIMIT $6"
    )
}

crate::result! {
    /// A place in the log.
    struct Place {
        /// The place.
        position: Position,
    }
}

/// Positions between which, both excluded, all events between the filter's moments are: the log is all but in the order of time.
async fn between(
    reader: &Reader,
    viewer: &Viewer,
    organization_id: OrganizationId,
    filter: &AuditFilter,
) -> Result<(i64, i64), QueryError> {
    const BEFORE: &str = "SELECT position FROM read.audit_logs WHERE organization_id = $1 AND recorded_at < $2 \
        ORDER BY recorded_at DESC LIMIT 1";
    const BEHIND: &str = "SELECT position FROM read.audit_logs WHERE organization_id = $1 AND recorded_at > $2 \
        ORDER BY recorded_at LIMIT 1";
    let place = async |sql: &'static str, moment: i64| {
        let found: Option<Place> = reader.one(viewer, sql, &[&Sql(organization_id), &moment]).await?;
        Ok(found.map(|place| signed(place.position)))
    };
    let margin = i64::try_from(CLOCKS_APART_MAX.as_micros()).unwrap_or(i64::MAX);
    let above = match filter.since {
        Some(since) => place(BEFORE, since.as_micros().saturating_sub(margin)).await?,
        None => None,
    };
    let below = match filter.until {
        Some(until) => place(BEHIND, until.as_micros().saturating_add(margin)).await?,
        None => None,
    };
    Ok((above.unwrap_or(0), below.unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_has_a_statement_of_its_own() {
        let stream = AuditFilter { stream_id: Some(Uuid::nil()), ..AuditFilter::default() };
        let sql = statement(&stream, Order::OldestFirst);
        assert!(sql.contains("AND stream_id = $7 ORDER BY position ASC"), "{sql}");
        let event_type = Some("organization.created".to_owned());
        let sql = statement(&AuditFilter { event_type, ..stream }, Order::NewestFirst);
        assert!(sql.contains("AND event_type = $7 AND stream_id = $8 ORDER BY position DESC"), "{sql}");
    }
}
