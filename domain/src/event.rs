//! Events: past-tense facts, each a plain struct that *is* version N of what is stored.
//!
//! A struct once released never changes: a change of fields is a new version with an upcaster from the old one. Each event
//! is encoded by itself, never as an enum, so the order of variants means nothing to history.

use schemars::Schema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::aggregate::Category;
use crate::records::Record;

/// The open part of one kind of event: ids, counters, codes, times, public keys. Never personal data.
pub trait Payload: Serialize + DeserializeOwned + schemars::JsonSchema + Send + Sync + 'static {
    /// Name for ever, `<context>.<past tense>`.
    const NAME: &'static str;
    /// Version of the stored form, from 1.
    const VERSION: u16;
    /// What the event's sealed part holds; [`crate::NoRecord`] for none.
    type Sealed: Record;
}

/// Receives the typed payload inside an event enum.
pub trait PayloadVisitor {
    /// What the visit yields.
    type Output;
    /// Is called once, with the payload.
    fn visit<P: Payload>(self, payload: &P) -> Self::Output;
}

/// Makes a payload of a given type from stored bytes.
pub trait PayloadDecoder {
    /// Why it could not.
    type Error;
    /// Is called once, for the type that the name and version stand for.
    fn decode<P: Payload>(self) -> Result<P, Self::Error>;
}

/// Name, version and JSON Schema of an event's sealed record.
#[derive(Clone, Copy)]
pub struct SealedSchema {
    /// Name of the record.
    pub name: &'static str,
    /// Version of its stored form.
    pub version: u16,
    /// Its JSON Schema.
    pub schema: fn() -> Schema,
}

/// One line of the catalogue.
#[derive(Clone, Copy)]
pub struct EventType {
    /// Kind of stream that it stands in.
    pub category: Category,
    /// Name for ever.
    pub name: &'static str,
    /// Version that is written today.
    pub version: u16,
    /// JSON Schema of the open part.
    pub schema: fn() -> Schema,
    /// Its sealed part, if it has one.
    pub sealed: Option<SealedSchema>,
}

/// The events of one aggregate (or all of them: [`Event`]).
pub trait EventGroup: Clone + std::fmt::Debug + PartialEq + Send + Sync + Sized + 'static {
    /// Name of the event.
    fn name(&self) -> &'static str;
    /// Version that it is written in.
    fn version(&self) -> u16;
    /// Hands the payload to `visitor`.
    fn visit<V: PayloadVisitor>(&self, visitor: V) -> V::Output;
    /// Decodes the current version of event `name`; `None` for a name that is not of this group.
    fn decode<D: PayloadDecoder>(name: &str, decoder: D) -> Option<Result<Self, D::Error>>;
    /// Calls `each` for every kind of event in the group, in declaration order.
    fn for_each_type(each: &mut dyn FnMut(EventType));
}

/// Declares the events of one aggregate: an enum over payload structs and the table of their names and versions.
///
/// A line reads `Variant(Struct) = "context.past_tense", version, [sealed in Record];`.
macro_rules! events {
    (
        $(#[$doc:meta])*
        pub enum $name:ident in $category:ident as $wrapper:ident {
            $($(#[$vdoc:meta])* $variant:ident($payload:ty) = $event:literal, $version:literal $(, sealed in $record:ty)?;)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name { $($(#[$vdoc])* $variant($payload),)+ }

        $(
            impl $crate::Payload for $payload {
                const NAME: &'static str = $event;
                const VERSION: u16 = $version;
                type Sealed = $crate::event::sealed_type!($($record)?);
            }

            impl From<$payload> for $name {
                fn from(payload: $payload) -> Self { $name::$variant(payload) }
            }

            impl From<$payload> for $crate::Event {
                fn from(payload: $payload) -> Self { $crate::Event::$wrapper($name::$variant(payload)) }
            }
        )+

        impl From<$name> for $crate::Event {
            fn from(event: $name) -> Self { $crate::Event::$wrapper(event) }
        }

        impl TryFrom<$crate::Event> for $name {
            type Error = $crate::Event;
            fn try_from(event: $crate::Event) -> Result<Self, Self::Error> {
                match event { $crate::Event::$wrapper(event) => Ok(event), other => Err(other) }
            }
        }

        impl $crate::EventGroup for $name {
            fn name(&self) -> &'static str {
                match self { $($name::$variant(_) => $event,)+ }
            }

            fn version(&self) -> u16 {
                match self { $($name::$variant(_) => $version,)+ }
            }

            fn visit<V: $crate::PayloadVisitor>(&self, visitor: V) -> V::Output {
                match self { $($name::$variant(payload) => visitor.visit(payload),)+ }
            }

            fn decode<D: $crate::PayloadDecoder>(name: &str, decoder: D) -> Option<Result<Self, D::Error>> {
                match name {
                    $($event => Some(decoder.decode::<$payload>().map($name::$variant)),)+
                    _ => None,
                }
            }

            fn for_each_type(each: &mut dyn FnMut($crate::EventType)) {
                $(each($crate::EventType {
                    category: $crate::Category::$category,
                    name: $event,
                    version: $version,
                    schema: || schemars::schema_for!($payload),
                    sealed: $crate::event::sealed_schema!($($record)?),
                });)+
            }
        }
    };
}

macro_rules! sealed_type {
    () => {
        $crate::NoRecord
    };
    ($record:ty) => {
        $record
    };
}

macro_rules! sealed_schema {
    () => {
        None
    };
    ($record:ty) => {
        Some($crate::SealedSchema {
            name: <$record as $crate::Record>::NAME,
            version: <$record as $crate::Record>::VERSION,
            schema: || schemars::schema_for!($record),
        })
    };
}

pub(crate) use {events, sealed_schema, sealed_type};

/// Declares [`Event`]: one line an aggregate.
macro_rules! all_events {
    ($($(#[$doc:meta])* $variant:ident($group:ty);)+) => {
        /// Any event of the product.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event { $($(#[$doc])* $variant($group),)+ }

        impl EventGroup for Event {
            fn name(&self) -> &'static str {
                match self { $(Event::$variant(event) => event.name(),)+ }
            }

            fn version(&self) -> u16 {
                match self { $(Event::$variant(event) => event.version(),)+ }
            }

            fn visit<V: PayloadVisitor>(&self, visitor: V) -> V::Output {
                match self { $(Event::$variant(event) => event.visit(visitor),)+ }
            }

            fn decode<D: PayloadDecoder>(name: &str, decoder: D) -> Option<Result<Self, D::Error>> {
                let (context, _) = name.split_once('.')?;
                match Category::from_name(context)? {
                    $(Category::$variant => {
                        <$group as EventGroup>::decode(name, decoder).map(|event| event.map(Event::$variant))
                    })+
                }
            }

            fn for_each_type(each: &mut dyn FnMut(EventType)) {
                $(<$group as EventGroup>::for_each_type(each);)+
            }
        }
    };
}

all_events! {
    /// Of an account.
    Account(crate::account::AccountEvent);
    /// Of a conversation.
    Conversation(crate::conversation::ConversationEvent);
    /// Of one member in one conversation.
    ConversationMember(crate::conversation_member::ConversationMemberEvent);
    /// Of an account's set of devices and keys.
    Device(crate::device::DeviceEvent);
    /// Of operating the platform.
    Operations(crate::operations::OperationsEvent);
    /// Of an organization.
    Organization(crate::organization::OrganizationEvent);
    /// Of a login session.
    Session(crate::session::SessionEvent);
    /// Of a workspace.
    Workspace(crate::workspace::WorkspaceEvent);
}

impl Event {
    /// The catalogue: every kind of event, in a fixed order.
    pub fn types() -> Vec<EventType> {
        let mut types = Vec::new();
        Self::for_each_type(&mut |one| types.push(one));
        types
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_named_after_the_category_of_its_stream() {
        for one in Event::types() {
            let (context, fact) = one.name.split_once('.').expect("a dot");
            assert_eq!(context, one.category.name(), "{}", one.name);
            assert!(!fact.is_empty());
        }
    }

    #[test]
    fn no_two_events_share_a_name() {
        let mut names: Vec<_> = Event::types().iter().map(|one| one.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
