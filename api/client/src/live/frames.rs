//! What goes up and down the live socket: JSON objects with one member, whose name says what it is.

use domain::{
    AccountId, ConversationId, Event, EventGroup, EventId, OrganizationId, Payload, PayloadDecoder, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::Position;
use crate::problem::Problem;

/// To the server.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Up {
    /// Begins: once, and first. The access token came with the handshake.
    Hello {
        #[serde(skip_serializing_if = "Option::is_none")]
        resume_after: Option<Position>,
    },
    /// Proves anew who it is.
    Authenticate { token: String },
    /// Somebody types, or stopped.
    Typing { conversation_id: ConversationId, active: bool },
    /// How the device's owner is to be shown.
    Presence { status: Status },
    /// Whose presence is wanted.
    Watch { account_ids: Vec<AccountId> },
}

/// How somebody is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// There.
    Online,
    /// Connected, but not there.
    Away,
    /// Not connected; never said by a client, which closes instead.
    Offline,
}

/// Why events were missed and cannot be had any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetReason {
    /// The cursor is of another log.
    OtherLog,
    /// Too much happened since.
    TooOld,
    /// The cursor is not one that this account was given.
    Unreadable,
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

/// From the server.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Down {
    Authenticated {},
    Cursor { cursor: Position },
    Event(Box<EventFrame>),
    Presence { account_id: AccountId, status: Status },
    Problem(Problem),
    Reset { reason: ResetReason },
    Typing { conversation_id: ConversationId, account_id: AccountId, active: bool },
    Welcome { cursor: Option<Position>, heartbeat_seconds: u64 },
}

impl Down {
    /// How far the stream has come with this frame.
    pub(crate) fn cursor(&self) -> Option<&Position> {
        match self {
            Down::Cursor { cursor } => Some(cursor),
            Down::Event(frame) => Some(&frame.cursor),
            Down::Welcome { cursor, .. } => cursor.as_ref(),
            Down::Authenticated {}
            | Down::Presence { .. }
            | Down::Problem(_)
            | Down::Reset { .. }
            | Down::Typing { .. } => None,
        }
    }
}

/// An event and where it stands.
#[derive(Debug, Deserialize)]
pub(crate) struct EventFrame {
    pub cursor: Position,
    pub event: EventText,
}

#[derive(Debug, Deserialize)]
pub(crate) struct EventText {
    pub r#type: String,
    pub event_id: EventId,
    pub recorded_at: Timestamp,
    #[serde(default)]
    pub account_id: Option<AccountId>,
    #[serde(default)]
    pub organization_id: Option<OrganizationId>,
    pub data: Value,
    #[serde(default)]
    pub record: Option<Value>,
    #[serde(default)]
    pub erased: bool,
}

/// Reads a frame; `None` for a kind that this version does not know.
pub(crate) fn read(text: &str) -> Result<Option<Down>, serde_json::Error> {
    const KNOWN: &[&str] =
        &["authenticated", "cursor", "event", "presence", "problem", "reset", "typing", "welcome"];
    let frame: serde_json::Map<String, Value> = serde_json::from_str(text)?;
    if frame.keys().all(|name| KNOWN.contains(&name.as_str())) {
        return serde_json::from_value(Value::Object(frame)).map(Some);
    }
    Ok(None)
}

struct Json(Value);

impl PayloadDecoder for Json {
    type Error = serde_json::Error;

    fn decode<P: Payload>(self) -> Result<P, Self::Error> {
        serde_json::from_value(self.0)
    }
}

/// The event of that name; `None` for one that this version does not know or cannot read.
pub(crate) fn event(name: &str, data: Value) -> Option<Event> {
    match Event::decode(name, Json(data))? {
        Ok(event) => Some(event),
        Err(error) => {
            tracing::warn!(name, %error, "an event cannot be read");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::conversation::ConversationEvent;
    use serde_json::json;

    #[test]
    fn frames_go_up_as_objects_with_one_member() {
        let hello = Up::Hello { resume_after: Some(Position("c".to_owned())) };
        assert_eq!(serde_json::to_value(&hello).unwrap(), json!({ "hello": { "resume_after": "c" } }));
        let fresh = Up::Hello { resume_after: None };
        assert_eq!(serde_json::to_value(&fresh).unwrap(), json!({ "hello": {} }));
    }

    #[test]
    fn unknown_frames_and_members_are_passed_over() {
        assert!(read(r#"{"confetti":{}}"#).unwrap().is_none());
        let welcome = read(r#"{"welcome":{"cursor":null,"heartbeat_seconds":30,"expires_at":5,"new":1}}"#);
        assert!(matches!(welcome, Ok(Some(Down::Welcome { cursor: None, heartbeat_seconds: 30 }))));
        assert!(read("[]").is_err());
    }

    #[test]
    fn an_event_reads_into_the_domains_type() {
        let id = ConversationId::from_bytes([1; 16]);
        let data =
            json!({ "conversation_id": id, "number": 3, "deleted_by": AccountId::from_bytes([2; 16]) });
        let read = event("conversation.message_deleted", data);
        let Some(Event::Conversation(ConversationEvent::MessageDeleted(deleted))) = read else {
            panic!("another event");
        };
        assert_eq!((deleted.conversation_id, deleted.number), (id, 3));
        assert!(event("conversation.exploded", json!({})).is_none());
        assert!(event("conversation.message_deleted", json!({})).is_none());
    }
}
