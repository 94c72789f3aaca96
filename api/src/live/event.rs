//! An event on its way to sockets: judged once, opened and written as JSON once, by whoever delivers it first.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use domain::account::{AccountEvent, AccountProfile};
use domain::conversation::{ConversationEvent, MessageBody};
use domain::conversation_member::{ConversationMemberEvent, ReceiptRecorded};
use domain::{
    Actor, ActorKind, ConversationId, Event, EventGroup, OrganizationId, Payload, PayloadVisitor, Record,
    Timestamp,
};
use eventstore_schema::{Opened, Position, Revision, SealError, SealedCell, Sealer};
use futures_util::future::BoxFuture;
use projections::{Decoded, Item};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::audience::{Audience, shown};
use super::schemas::{self, Resource};
use crate::routes::accounts::get_profile::GetProfileAnswer;
use crate::routes::messages::MessageAnswer;
use crate::routes::messages::list_reactions::ReactionAnswer;

/// An event with its audience and, once somebody asked for it, its JSON.
pub struct LiveEvent {
    item: Item,
    audience: Audience,
    json: RwLock<Option<Written>>,
    /// Held by whoever writes the JSON, so that the others wait for it instead of writing it too.
    writing: Mutex<()>,
}

/// JSON as it was written.
struct Written {
    json: Bytes,
    /// The keyring's, before the sealed part was opened: what was opened under an older one may be erased since.
    epoch: u64,
}

/// Why an event is not to be had as JSON.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A key cannot be reached for the moment.
    #[error("the sealed part of an event cannot be opened now")]
    Unavailable(#[source] SealError),
    /// It cannot be written.
    #[error("an event cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// This release does not know it.
    #[error("an event of type {event_type} at {position} cannot be decoded")]
    Undecodable {
        /// Its type.
        event_type: String,
        /// Where it stands.
        position: Position,
    },
}

impl LiveEvent {
    /// Judges who sees it.
    pub fn new(item: Item) -> Arc<Self> {
        let audience = Audience::of(&item);
        Arc::new(Self { item, audience, json: RwLock::default(), writing: Mutex::default() })
    }

    /// Who sees it.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// Where it stands in the log.
    pub fn position(&self) -> Position {
        self.item.position()
    }

    /// The receipt, if it is one.
    pub fn receipt(&self) -> Option<&ReceiptRecorded> {
        let Item::Event(decoded) = &self.item else { return None };
        match &decoded.event {
            Event::ConversationMember(ConversationMemberEvent::ReceiptRecorded(receipt)) => Some(receipt),
            _ => None,
        }
    }

    /// Whether this release cannot decode it.
    pub fn is_undecodable(&self) -> bool {
        matches!(self.item, Item::Undecodable(_))
    }

    /// Bytes that it keeps in memory, about.
    pub fn size(&self) -> usize {
        let recorded = self.item.recorded();
        // Open part, decoded and as JSON; sealed part, and as JSON in base64url.
        recorded.payload.len().saturating_mul(3)
            + recorded.sealed.as_ref().map_or(0, |sealed| sealed.len().saturating_mul(3))
            + self.audience.only.as_ref().map_or(0, |only| size_of_val(only.as_slice()))
            + size_of::<Self>()
    }

    /// Its sealed part.
    pub fn sealed_cell(&self) -> Option<SealedCell> {
        self.item.recorded().sealed_cell()
    }

    /// Its JSON, the same bytes for everybody.
    ///
    /// # Errors
    /// See [`RenderError`]; after [`RenderError::Unavailable`] it can be asked for again.
    pub async fn json(&self, sealer: &Sealer) -> Result<Bytes, RenderError> {
        let epoch = sealer.keyring().epoch();
        if let Some(json) = self.written(epoch) {
            return Ok(json);
        }
        let _writing = self.writing.lock().await;
        if let Some(json) = self.written(epoch) {
            return Ok(json);
        }
        let json = self.render(sealer).await?;
        *self.json.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Written { json: json.clone(), epoch });
        Ok(json)
    }

    /// Its JSON, if it is written already and nothing of it was erased since.
    pub fn written_json(&self, sealer: &Sealer) -> Option<Bytes> {
        self.written(sealer.keyring().epoch())
    }

    fn written(&self, epoch: u64) -> Option<Bytes> {
        let written = self.json.read().unwrap_or_else(PoisonError::into_inner);
        written.as_ref().filter(|written| written.epoch >= epoch).map(|written| written.json.clone())
    }

    async fn render(&self, sealer: &Sealer) -> Result<Bytes, RenderError> {
        let decoded = match &self.item {
            Item::Event(decoded) => decoded,
            Item::Undecodable(failed) => {
                let event_type = failed.recorded.event_type.clone();
                return Err(RenderError::Undecodable { event_type, position: failed.recorded.position });
            }
        };
        let cell = decoded.recorded.sealed_cell();
        let at = decoded.recorded.origin.recorded_at;
        let shown = shown(&decoded.event);
        let Parts { data, opening } =
            shown.as_ref().unwrap_or(&decoded.event).visit(Split { cell, sealer })?;
        // What REST shows of it has the sealed part in it: once is enough.
        let (sealed, resource) = match &decoded.event {
            Event::Conversation(ConversationEvent::MessageSent(sent)) => {
                let (sealed, body) = self.opened::<MessageBody>(sealer).await?;
                (sealed, Some(Resource::Message(MessageAnswer::sent(sent, at, body))))
            }
            Event::Conversation(ConversationEvent::ReactionSet(set)) => {
                let (sealed, body) = self.opened::<MessageBody>(sealer).await?;
                (sealed, Some(Resource::Reaction(ReactionAnswer::set(set, at, body))))
            }
            Event::Account(AccountEvent::ProfileChanged(changed)) => {
                let (sealed, profile) = self.opened::<AccountProfile>(sealer).await?;
                (sealed, Some(Resource::Profile(GetProfileAnswer::new(changed.account_id, profile))))
            }
            event => {
                let record = match opening {
                    None => Sealed::None,
                    Some(opening) => match self.told(opening.await)? {
                        Some(Opened::Clear(record)) => Sealed::Clear(record?),
                        Some(Opened::Erased) => Sealed::Erased,
                        None => Sealed::Unreadable,
                    },
                };
                (record, Resource::open(event, at))
            }
        };
        let event = EventJson { resource, ..EventJson::new(decoded, &data, &sealed) };
        Ok(Bytes::from(serde_json::to_vec(&event)?))
    }

    /// The personal record, and what there is to say of it beside.
    async fn opened<R: Record>(&self, sealer: &Sealer) -> Result<(Sealed, Option<Opened<R>>), RenderError> {
        let Some(cell) = self.sealed_cell() else { return Ok((Sealed::None, None)) };
        Ok(match self.told(sealer.open::<R>(&cell).await)? {
            Some(Opened::Clear(record)) => (Sealed::None, Some(Opened::Clear(record))),
            Some(Opened::Erased) => (Sealed::Erased, Some(Opened::Erased)),
            None => (Sealed::Unreadable, None),
        })
    }

    /// What was opened; none of what does not open and never will, which operators are told.
    fn told<T>(&self, opened: Result<Opened<T>, SealError>) -> Result<Option<Opened<T>>, RenderError> {
        match opened {
            Ok(opened) => Ok(Some(opened)),
            Err(error) if error.is_unavailable() => Err(RenderError::Unavailable(error)),
            Err(error) => {
                tracing::error!(position = %self.position(), %error, "a sealed part does not open");
                Ok(None)
            }
        }
    }
}

/// The sealed part as far as it can be shown.
enum Sealed {
    None,
    Clear(Box<RawValue>),
    Erased,
    Unreadable,
}

type Opening<'a> = BoxFuture<'a, Result<Opened<Result<Box<RawValue>, serde_json::Error>>, SealError>>;

/// An event's open part as JSON, and what opens its sealed one.
struct Parts<'a> {
    data: Box<RawValue>,
    opening: Option<Opening<'a>>,
}

struct Split<'a> {
    cell: Option<SealedCell>,
    sealer: &'a Sealer,
}

impl<'a> PayloadVisitor for Split<'a> {
    type Output = Result<Parts<'a>, serde_json::Error>;

    fn visit<P: Payload>(self, payload: &P) -> Self::Output {
        let data = serde_json::value::to_raw_value(payload)?;
        let sealer = self.sealer;
        let opening = self.cell.map(|cell| -> Opening<'a> { Box::pin(open::<P::Sealed>(sealer, cell)) });
        Ok(Parts { data, opening })
    }
}

async fn open<R: Record>(
    sealer: &Sealer,
    cell: SealedCell,
) -> Result<Opened<Result<Box<RawValue>, serde_json::Error>>, SealError> {
    let opened = sealer.open::<R>(&cell).await?;
    Ok(opened.map(|record| serde_json::value::to_raw_value(&record)))
}

/// What `ops/docs/live.md` says of an event's shape.
#[derive(Serialize)]
struct EventJson<'a> {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<u16>,
    version: u16,
    organization_id: Option<OrganizationId>,
    conversation_id: Option<ConversationId>,
    revision: Revision,
    at: Timestamp,
    actor: ActorJson,
    data: &'a RawValue,
    sealed: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Resource>,
    erased: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unreadable: bool,
}

#[derive(Serialize)]
struct ActorJson {
    kind: ActorKind,
    id: Option<Uuid>,
}

impl From<Actor> for ActorJson {
    fn from(actor: Actor) -> Self {
        Self { kind: actor.kind, id: actor.as_account().map(|id| id.as_uuid()) }
    }
}

impl<'a> EventJson<'a> {
    fn new(decoded: &'a Decoded, data: &'a RawValue, sealed: &'a Sealed) -> Self {
        let recorded = &decoded.recorded;
        let conversation_id = match &decoded.event {
            Event::Conversation(event) => Some(event.conversation_id()),
            Event::ConversationMember(event) => Some(event.conversation_id()),
            Event::Account(_)
            | Event::Device(_)
            | Event::Operations(_)
            | Event::Organization(_)
            | Event::Session(_)
            | Event::Workspace(_) => None,
        };
        Self {
            name: Event::name(&decoded.event),
            schema: schemas::version(Event::name(&decoded.event)),
            version: Event::version(&decoded.event),
            organization_id: recorded.origin.organization_id,
            conversation_id,
            revision: recorded.revision,
            at: recorded.origin.recorded_at,
            actor: recorded.origin.actor.into(),
            data,
            sealed: match sealed {
                Sealed::Clear(record) => Some(record),
                Sealed::None | Sealed::Erased | Sealed::Unreadable => None,
            },
            resource: None,
            erased: matches!(sealed, Sealed::Erased),
            unreadable: matches!(sealed, Sealed::Unreadable),
        }
    }
}
