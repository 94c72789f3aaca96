//! An event on its way to sockets: opened and serialised once, whoever gets it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use domain::conversation::{ConversationEvent, GenerationCommitted};
use domain::{Actor, Event, EventGroup, Payload, PayloadVisitor};
use eventstore_schema::{Opened, Position, SealError, SealedCell, Sealer};
use projections::Decoded;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use super::audience::{self, Audience};

/// An event with its audience and, once somebody needed it, its text.
pub(super) struct Entry {
    pub decoded: Arc<Decoded>,
    pub audience: Audience,
    text: OnceCell<Arc<str>>,
}

/// Why an event has no text.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntryError {
    /// Its sealed part does not open.
    #[error("opening an event for live sockets")]
    Open(#[from] SealError),
    /// It does not serialise.
    #[error("serialising an event for live sockets")]
    Serialise(#[from] serde_json::Error),
}

/// An event as clients see it.
#[derive(Serialize)]
struct EventText<'a> {
    r#type: &'static str,
    event_id: domain::EventId,
    /// Place in its stream.
    revision: u64,
    recorded_at: domain::Timestamp,
    actor_kind: domain::ActorKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<domain::AccountId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<domain::DeviceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<domain::OrganizationId>,
    data: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
}

impl Entry {
    pub(super) fn new(decoded: Arc<Decoded>) -> Self {
        let audience = audience::audience(&decoded.event);
        Self { decoded, audience, text: OnceCell::new() }
    }

    pub(super) fn position(&self) -> Position {
        self.decoded.position()
    }

    /// How much memory it holds, about.
    pub(super) fn bytes(&self) -> usize {
        let recorded = &self.decoded.recorded;
        512 + recorded.payload.len() * 2 + recorded.sealed.as_ref().map_or(0, |sealed| sealed.len() * 2)
    }

    /// The event as JSON. Whoever needs it first makes it, the others wait for that.
    pub(super) async fn text(&self, sealer: &Sealer) -> Result<Arc<str>, EntryError> {
        self.text.get_or_try_init(|| self.make_text(sealer)).await.cloned()
    }

    async fn make_text(&self, sealer: &Sealer) -> Result<Arc<str>, EntryError> {
        let recorded = &self.decoded.recorded;
        let Parts { data, record } = match &self.decoded.event {
            // Everybody fetches their own wraps: thousands for others would go to each.
            Event::Conversation(ConversationEvent::GenerationCommitted(event)) => {
                let shown = GenerationCommitted { wraps: Vec::new(), ..*event };
                parts(sealer, &shown, None)?.await?
            }
            event => event.visit(Show { sealer, sealed: recorded.sealed_cell() })?.await?,
        };
        let Actor { kind: actor_kind, .. } = recorded.origin.actor;
        let text = EventText {
            r#type: self.decoded.event.name(),
            event_id: recorded.event_id,
            revision: recorded.revision.get(),
            recorded_at: self.decoded.at(),
            actor_kind,
            account_id: recorded.origin.actor.as_account(),
            device_id: recorded.origin.device_id,
            organization_id: recorded.origin.organization_id,
            data: &data,
            erased: matches!(record, Some(Opened::Erased)),
            record: match &record {
                Some(Opened::Clear(record)) => Some(record),
                Some(Opened::Erased) | None => None,
            },
        };
        Ok(serde_json::to_string(&text)?.into())
    }
}

/// Both parts of an event as JSON.
struct Parts {
    data: Box<RawValue>,
    record: Option<Opened<Box<RawValue>>>,
}

type Opening<'a> = Pin<Box<dyn Future<Output = Result<Parts, EntryError>> + Send + 'a>>;

/// Serialises the open part and opens the sealed one.
struct Show<'a> {
    sealer: &'a Sealer,
    sealed: Option<SealedCell>,
}

impl<'a> PayloadVisitor for Show<'a> {
    type Output = Result<Opening<'a>, EntryError>;

    fn visit<P: Payload>(self, payload: &P) -> Self::Output {
        parts(self.sealer, payload, self.sealed)
    }
}

fn parts<'a, P: Payload>(
    sealer: &'a Sealer,
    payload: &P,
    sealed: Option<SealedCell>,
) -> Result<Opening<'a>, EntryError> {
    let data = serde_json::value::to_raw_value(payload)?;
    Ok(Box::pin(async move {
        let record = match sealed {
            None => None,
            Some(cell) => Some(match sealer.open::<P::Sealed>(&cell).await? {
                Opened::Clear(record) => Opened::Clear(serde_json::value::to_raw_value(&record)?),
                Opened::Erased => Opened::Erased,
            }),
        };
        Ok(Parts { data, record })
    }))
}
