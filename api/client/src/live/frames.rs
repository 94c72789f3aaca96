//! What goes up and down the live socket: text frames, each a JSON object with a `type`.

use domain::{
    AccountId, ActorKind, ConversationId, Event, EventGroup, OrganizationId, Payload, PayloadDecoder,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::Position;
use crate::problem::Problem;

/// To the server.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Up {
    /// Begins: once, and first. The access token came with the handshake.
    Hello {
        #[serde(skip_serializing_if = "Option::is_none")]
        resume_after: Option<Position>,
    },
    /// Proves anew who it is.
    Authenticate { id: &'static str, token: String },
    /// Somebody types, or stopped.
    Typing { conversation_id: ConversationId, active: bool },
    /// How the device's owner is to be shown.
    Presence { status: Status },
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
    /// The account left a conversation and joined it again since.
    Membership,
    /// The server cannot show an event itself.
    Undecodable,
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

/// From the server.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Down {
    /// The socket follows; everything behind the cursor will come.
    Welcome { cursor: Option<Position>, heartbeat_seconds: u64 },
    /// Events are missing; everything behind the cursor will come.
    Reset { reason: ResetReason, cursor: Option<Position> },
    /// Nothing up to here is outstanding.
    Cursor { cursor: Position },
    /// Something happened.
    Event { cursor: Position, event: Box<EventText> },
    /// A frame was refused.
    Problem { problem: Problem },
    /// A member types, or stopped.
    Typing { conversation_id: Option<ConversationId>, account_id: AccountId, active: bool },
    /// Somebody is there, or is not.
    Presence { account_id: AccountId, status: Status },
    /// A token was taken, a ping answered, or something that this version does not know.
    #[serde(other)]
    Other,
}

impl Down {
    /// How far the stream has come with this frame.
    pub(crate) fn cursor(&self) -> Option<&Position> {
        match self {
            Down::Cursor { cursor } | Down::Event { cursor, .. } => Some(cursor),
            Down::Welcome { cursor, .. } | Down::Reset { cursor, .. } => cursor.as_ref(),
            Down::Problem { .. } | Down::Typing { .. } | Down::Presence { .. } | Down::Other => None,
        }
    }
}

/// An event as the server shows it.
#[derive(Debug, Deserialize)]
pub(crate) struct EventText {
    pub name: String,
    pub organization_id: Option<OrganizationId>,
    pub at: Timestamp,
    pub actor: ActorText,
    pub data: Value,
    pub sealed: Option<Value>,
    /// What REST shows of it, with the sealed part in it.
    #[serde(default)]
    pub resource: Option<Value>,
    pub erased: bool,
}

/// Whose doing an event was.
#[derive(Debug, Deserialize)]
pub(crate) struct ActorText {
    kind: ActorKind,
    id: Option<AccountId>,
}

impl ActorText {
    /// The account, if it was one's.
    pub(crate) fn account(&self) -> Option<AccountId> {
        self.id.filter(|_| self.kind == ActorKind::Account)
    }
}

/// Reads a frame.
pub(crate) fn read(text: &str) -> Result<Down, serde_json::Error> {
    serde_json::from_str(text)
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
    fn frames_go_up_with_their_type() {
        let hello = Up::Hello { resume_after: Some(Position("c".to_owned())) };
        assert_eq!(serde_json::to_value(&hello).unwrap(), json!({ "type": "hello", "resume_after": "c" }));
        let fresh = Up::Hello { resume_after: None };
        assert_eq!(serde_json::to_value(&fresh).unwrap(), json!({ "type": "hello" }));
    }

    #[test]
    fn unknown_frames_and_members_are_passed_over() {
        assert!(matches!(read(r#"{"type":"confetti","colour":"red"}"#), Ok(Down::Other)));
        let welcome =
            read(r#"{"type":"welcome","cursor":null,"heartbeat_seconds":30,"expires_at":5,"new":1}"#);
        assert!(matches!(welcome, Ok(Down::Welcome { cursor: None, heartbeat_seconds: 30 })));
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
