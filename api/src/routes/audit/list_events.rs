//! `GET /v1/organizations/{organization_id}/audit`

use crate::access;
use crate::extract::{Page, PageAnswer};
use crate::problem::Code;
use crate::routes::organizations::OrganizationPath;
use domain::{
    AccountId, ActorKind, CommandId, CorrelationId, DeviceId, Digest, EventId, Rejection, Timestamp,
};
use eventstore_schema::Position;
use projections::audit::queries::{self, AuditFilter};
use uuid::Uuid;

use crate::endpoint::prelude::*;

/// The header of an event.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEvent")]
pub struct AuditAnswer {
    /// The event.
    pub event_id: EventId,
    /// Name in the catalogue.
    pub event_type: String,
    /// What kind of party gave the command.
    pub actor_kind: ActorKind,
    /// Its id.
    pub actor_id: Option<Uuid>,
    /// From which device.
    pub device_id: Option<DeviceId>,
    /// Kind of aggregate.
    pub stream_category: String,
    /// Id of the aggregate.
    pub stream_id: Uuid,
    /// Its place in the aggregate's stream.
    pub revision: u64,
    /// The command that it came of.
    pub command_id: CommandId,
    /// The request that set it off.
    pub correlation_id: CorrelationId,
    /// The event that a reaction answered.
    pub causation_id: Option<EventId>,
    /// When the command was given.
    pub recorded_at: Timestamp,
    /// Hash of the event as it is recorded.
    pub record_hash: Digest,
}

impl From<queries::AuditView> for AuditAnswer {
    fn from(row: queries::AuditView) -> Self {
        Self {
            event_id: row.event_id,
            event_type: row.event_type,
            actor_kind: row.actor_kind,
            actor_id: row.actor_id,
            device_id: row.device_id,
            stream_category: row.stream_category,
            stream_id: row.stream_id,
            revision: row.revision,
            command_id: row.command_id,
            correlation_id: row.correlation_id,
            causation_id: row.causation_id,
            recorded_at: row.recorded_at,
            record_hash: row.hash,
        }
    }
}

/// Which way the list runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AuditOrder")]
pub enum Order {
    /// From the newest event back.
    #[default]
    Newest,
    /// From the oldest event on.
    Oldest,
}

impl From<Order> for queries::Order {
    fn from(order: Order) -> Self {
        match order {
            Order::Newest => queries::Order::NewestFirst,
            Order::Oldest => queries::Order::OldestFirst,
        }
    }
}

/// Which events.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListEventsQuery {
    /// Of this name.
    pub event_type: Option<String>,
    /// Set off by this account.
    pub actor: Option<AccountId>,
    /// Of the aggregate with this id.
    pub stream_id: Option<Uuid>,
    /// Given at this moment or later.
    pub since: Option<Timestamp>,
    /// Given before this moment.
    pub until: Option<Timestamp>,
    /// Which way the list runs: `newest` first when absent.
    pub order: Option<Order>,
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most rows, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListEvents;

impl Endpoint for ListEvents {
    const ABOUT: About = About::get(
        "audit.list_events",
        "/v1/organizations/{organization_id}/audit",
        "Lists what happened in an organization, newest first unless asked otherwise.\n\nHeaders of events, never what is personal in them.",
    )
    .who(who::AUDITORS)
    .errors(&["organization_not_found", "role_insufficient"])
    .reads(&["audit"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = OrganizationPath;
    type Query = ListEventsQuery;
    type Body = Nothing;
    type Answer = PageAnswer<AuditAnswer>;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<PageAnswer<AuditAnswer>>, Problem> {
        let (account_id, organization_id) = (input.caller.account_id, input.path.organization_id);
        let reading = access::organization(state, account_id, organization_id).await?;
        if !reading.role.audits() {
            return Err(Rejection::RoleInsufficient.into());
        }
        let ListEventsQuery { event_type, actor, stream_id, since, until, order, cursor, limit } =
            input.query;
        let (filter, order) =
            (AuditFilter { event_type, actor, stream_id, since, until }, order.unwrap_or_default());
        let page = Page::<(Order, Position)>::of::<Self>(state, account_id, &cursor, limit)?;
        let after = match page.after {
            Some((of, _)) if of != order => return Err(Code::InvalidCursor.into()),
            after => after.map(|(_, position)| position),
        };
        let (reader, viewer) = (&input.intent.reader, &reading.viewer);
        let rows = Page { after, limit: page.limit }.query();
        let rows = queries::page(reader, viewer, organization_id, &filter, order.into(), rows).await?;
        let last = rows.last().map(|row| (order, row.position));
        let items = rows.into_iter().map(AuditAnswer::from).collect();
        PageAnswer::of::<Self, _>(state, account_id, &page, items, last).map(Reply::new)
    }
}
