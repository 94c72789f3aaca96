//! What comes of each event, in versions: one line an event that comes to anybody. `api/live-events.json` is written from it.
//!
//! A version stands for the whole of what comes under a name: the open part, the sealed one, and what REST shows. It is raised when
//! a client of the version before would misread that; members that are added do not raise it.

use std::sync::LazyLock;

use domain::conversation::ConversationEvent;
use domain::{Event, EventType, Timestamp};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::routes::accounts::get_profile::GetProfileAnswer;
use crate::routes::conversations::list_generations::GenerationAnswer;
use crate::routes::messages::MessageAnswer;
use crate::routes::messages::list_pins::PinAnswer;
use crate::routes::messages::list_reactions::ReactionAnswer;

/// What comes of one kind of event.
pub struct LiveSchema {
    /// The event.
    pub name: &'static str,
    /// The version of what comes.
    pub version: u16,
    /// What REST shows of it, in the place of the sealed part.
    resource: Option<fn(&mut SchemaGenerator) -> Schema>,
}

impl LiveSchema {
    /// The event's own two parts.
    const fn of(name: &'static str, version: u16) -> Self {
        Self { name, version, resource: None }
    }

    /// Its open part beside what REST shows of it.
    const fn showing<T: JsonSchema>(name: &'static str, version: u16) -> Self {
        Self { name, version, resource: Some(|schemas| schemas.subschema_for::<T>()) }
    }

    /// Whether it comes with what REST shows.
    #[cfg(test)]
    pub fn shows_resource(&self) -> bool {
        self.resource.is_some()
    }
}

/// By name.
pub const SCHEMAS: &[LiveSchema] = &[
    LiveSchema::of("account.email_confirmed", 1),
    LiveSchema::of("account.login_locked", 1),
    LiveSchema::of("account.metadata_changed", 1),
    LiveSchema::showing::<GetProfileAnswer>("account.profile_changed", 1),
    LiveSchema::of("conversation.created", 1),
    LiveSchema::of("conversation.deleted", 1),
    LiveSchema::showing::<GenerationAnswer>("conversation.generation_committed", 1),
    LiveSchema::of("conversation.history_visibility_changed", 1),
    LiveSchema::of("conversation.member_joined", 1),
    LiveSchema::of("conversation.member_left", 1),
    LiveSchema::of("conversation.member_role_changed", 1),
    LiveSchema::of("conversation.message_deleted", 1),
    LiveSchema::of("conversation.message_edited", 1),
    LiveSchema::showing::<PinAnswer>("conversation.message_pinned", 1),
    LiveSchema::showing::<MessageAnswer>("conversation.message_sent", 1),
    LiveSchema::of("conversation.message_unpinned", 1),
    LiveSchema::of("conversation.reaction_cleared", 1),
    LiveSchema::showing::<ReactionAnswer>("conversation.reaction_set", 1),
    LiveSchema::of("conversation.recipient_added", 1),
    LiveSchema::of("conversation.recipient_removed", 1),
    LiveSchema::of("conversation.reopened", 1),
    LiveSchema::of("conversation.title_changed", 1),
    LiveSchema::of("conversation.wrap_added", 1),
    LiveSchema::of("conversation.wrap_reported", 1),
    LiveSchema::of("conversation_member.receipt_recorded", 1),
    LiveSchema::of("device.enrolled", 1),
    LiveSchema::of("device.identity_published", 1),
    LiveSchema::of("device.renamed", 1),
    LiveSchema::of("device.revoked", 1),
    LiveSchema::of("organization.created", 1),
    LiveSchema::of("organization.member_joined", 1),
    LiveSchema::of("organization.member_removed", 1),
    LiveSchema::of("organization.member_role_changed", 1),
    LiveSchema::of("session.device_bound", 1),
    LiveSchema::of("session.revoked", 1),
    LiveSchema::of("session.started", 1),
    LiveSchema::of("workspace.archived", 1),
    LiveSchema::of("workspace.created", 1),
    LiveSchema::of("workspace.member_joined", 1),
    LiveSchema::of("workspace.member_removed", 1),
    LiveSchema::of("workspace.member_role_changed", 1),
];

/// The version of what comes of an event; none of one that comes to nobody.
pub fn version(name: &str) -> Option<u16> {
    let at = SCHEMAS.binary_search_by_key(&name, |schema| schema.name).ok()?;
    SCHEMAS.get(at).map(|schema| schema.version)
}

/// What REST shows of an event that says it all.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Resource {
    /// A message that was sent.
    Message(MessageAnswer),
    /// A reaction.
    Reaction(ReactionAnswer),
    /// A pinned message.
    Pin(PinAnswer),
    /// A generation.
    Generation(GenerationAnswer),
    /// A profile.
    Profile(GetProfileAnswer),
}

impl Resource {
    /// Of an event that has no sealed part.
    pub fn open(event: &Event, at: Timestamp) -> Option<Self> {
        match event {
            Event::Conversation(ConversationEvent::MessagePinned(pinned)) => Some(Self::Pin(PinAnswer {
                number: pinned.number,
                pinned_by: pinned.pinned_by,
                pinned_at: at,
            })),
            Event::Conversation(ConversationEvent::GenerationCommitted(new)) => {
                Some(Self::Generation(GenerationAnswer {
                    generation: new.generation,
                    suite: new.suite,
                    account_id: new.account_id,
                    device_id: new.device_id,
                    transcript: new.transcript,
                    committed_at: at,
                }))
            }
            _ => None,
        }
    }
}

/// Schemas of everything that comes: a JSON Schema of the 2020-12 draft that each event fulfils, with one definition for each by name
/// and version.
pub fn document() -> &'static Value {
    &DOCUMENT
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(write);

fn write() -> Value {
    let mut schemas = SchemaSettings::draft2020_12().into_generator();
    let mut events = Map::new();
    let mut parts = Map::new();
    for one in Event::types() {
        let known = SCHEMAS.iter().find(|schema| schema.name == one.name);
        if let Some(schema) = known {
            events.insert(definition(schema), event(schema, &one, &mut schemas, &mut parts));
        }
    }
    let one_of: Vec<_> = events.keys().map(|name| json!({ "$ref": format!("#/$defs/{name}") })).collect();
    let mut definitions = schemas.take_definitions(true);
    definitions.append(&mut parts);
    definitions.append(&mut events);
    let mut document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "LiveEvent",
        "description": "`event` of a frame of type `event`, see ops/docs/live.md. Members may be added: pass over those that you do not know.",
        "oneOf": one_of,
        "$defs": definitions,
    });
    document.sort_all_objects();
    document
}

fn definition(schema: &LiveSchema) -> String {
    format!("{}.v{}", schema.name, schema.version)
}

fn event(
    schema: &LiveSchema,
    one: &EventType,
    schemas: &mut SchemaGenerator,
    parts: &mut Map<String, Value>,
) -> Value {
    let id = |nullable: bool| match nullable {
        true => json!({ "type": ["string", "null"], "format": "uuid" }),
        false => json!({ "type": "string", "format": "uuid" }),
    };
    let mut properties = json!({
        "name": { "const": schema.name },
        "schema": { "const": schema.version, "description": "The version of what comes under the name." },
        "version": { "const": one.version, "description": "The version that the event is written in." },
        "organization_id": id(true),
        "conversation_id": id(true),
        "revision": { "type": "integer", "minimum": 0 },
        "at": { "type": "integer", "description": "When it was recorded: microseconds since 1970, UTC." },
        "actor": {
            "type": "object",
            "properties": { "kind": { "type": "string" }, "id": id(true) },
            "required": ["kind", "id"],
        },
        "data": part((one.schema)(), parts),
        "erased": { "type": "boolean", "description": "Whether the personal part was erased." },
        "unreadable": { "const": true, "description": "There where the personal part does not open." },
    });
    let record =
        one.sealed.filter(|_| schema.resource.is_none()).map(|sealed| part((sealed.schema)(), parts));
    let sealed = match record {
        Some(record) => json!({ "anyOf": [record, { "type": "null" }] }),
        None => json!({ "type": "null" }),
    };
    let mut required = vec![
        "name",
        "schema",
        "version",
        "organization_id",
        "conversation_id",
        "revision",
        "at",
        "actor",
        "data",
        "sealed",
        "erased",
    ];
    if let Value::Object(properties) = &mut properties {
        properties.insert("sealed".to_owned(), sealed);
        if let Some(resource) = schema.resource {
            properties.insert("resource".to_owned(), resource(schemas).to_value());
            required.push("resource");
        }
    }
    json!({ "type": "object", "title": one.name, "properties": properties, "required": required })
}

/// A type's schema whose definitions go to those of all.
fn part(schema: Schema, parts: &mut Map<String, Value>) -> Value {
    let mut schema = schema.to_value();
    if let Value::Object(members) = &mut schema {
        members.remove("$schema");
        if let Some(Value::Object(mut definitions)) = members.remove("$defs") {
            parts.append(&mut definitions);
        }
    }
    schema
}
