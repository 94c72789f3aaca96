//! What goes up and down a live socket: text frames, each a JSON object with a `type`. `ops/docs/live.md` shows them all.

use bytes::Bytes;
use domain::{AccountId, ConversationId, DeviceId, SessionId, Timestamp};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::signals::Status;
use crate::extract;
use crate::invoke::{Answered, Invocation};
use crate::limits::LIVE_FRAME_ID_BYTES_MAX;
use crate::problem::Problem;

/// From a client.
pub enum Up {
    /// First, once.
    Hello(Hello),
    /// A token in place of one that expires soon.
    Authenticate(Authenticate),
    /// Any command, by the name of its route.
    Command(Command),
    /// Sends a message.
    Send(Send),
    /// Records how far was read.
    Receipt(Receipt),
    /// Tells that somebody types.
    Typing(Typing),
    /// Tells how somebody is.
    Presence(Presence),
    /// Asks for a `pong`.
    Ping(Ping),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Hello,
    Authenticate,
    Command,
    Send,
    Receipt,
    Typing,
    Presence,
    Ping,
}

/// The part of a frame that says what the rest is.
#[derive(Deserialize)]
struct Head {
    r#type: Kind,
}

/// The first frame.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    /// Access token, if it did not come with the handshake.
    #[serde(default)]
    pub token: Option<String>,
    /// Cursor of the last event that was taken in.
    #[serde(default)]
    pub resume_after: Option<String>,
}

/// A new access token of the same session.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authenticate {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    /// Names the answer.
    pub id: String,
    /// Access token.
    pub token: String,
}

/// A command.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    /// Names the answer.
    pub id: String,
    /// As an entry of a batch.
    pub invocation: Invocation,
}

/// A message to send.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    /// Names the answer.
    pub id: String,
    /// Where to.
    pub conversation_id: String,
    /// The message's id, which makes repeating it safe.
    pub message_id: String,
    /// As the body of the route.
    pub body: Box<RawValue>,
}

/// A receipt.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    /// Names the answer.
    pub id: String,
    /// Of which conversation.
    pub conversation_id: String,
    /// As the body of the route.
    pub body: Box<RawValue>,
}

/// Somebody types, or stopped.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Typing {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    /// Where.
    pub conversation_id: ConversationId,
    /// Whether it begins.
    pub active: bool,
}

/// How somebody is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presence {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    /// How.
    pub status: Status,
}

/// Asks whether the server is there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    /// Names the answer.
    #[serde(default)]
    pub id: Option<String>,
}

impl Up {
    /// Reads a frame.
    ///
    /// # Errors
    /// For anything that is no frame; with what it is called, if that can be read.
    pub fn read(text: &str) -> Result<Self, BadFrame> {
        let bytes = text.as_bytes();
        Self::parse(bytes).map_err(|problem| BadFrame { id: name(bytes), problem: Box::new(problem) })
    }

    /// # Errors
    /// As [`extract::json`].
    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let frame = match extract::json::<Head>(bytes)?.r#type {
            Kind::Hello => Up::Hello(read(bytes)?),
            Kind::Authenticate => Up::Authenticate(read(bytes)?),
            Kind::Command => Up::Command(read(bytes)?),
            Kind::Send => Up::Send(read(bytes)?),
            Kind::Receipt => Up::Receipt(read(bytes)?),
            Kind::Typing => Up::Typing(read(bytes)?),
            Kind::Presence => Up::Presence(read(bytes)?),
            Kind::Ping => Up::Ping(read(bytes)?),
        };
        match frame.id() {
            Some(id) if id.is_empty() || id.len() > LIVE_FRAME_ID_BYTES_MAX => {
                Err(Problem::field("id", format!("1 to {LIVE_FRAME_ID_BYTES_MAX} bytes are expected")))
            }
            Some(_) | None => Ok(frame),
        }
    }

    /// The label in metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Up::Hello(_) => "hello",
            Up::Authenticate(_) => "authenticate",
            Up::Command(_) => "command",
            Up::Send(_) => "send",
            Up::Receipt(_) => "receipt",
            Up::Typing(_) => "typing",
            Up::Presence(_) => "presence",
            Up::Ping(_) => "ping",
        }
    }

    /// What the client calls it.
    pub fn id(&self) -> Option<&str> {
        match self {
            Up::Authenticate(frame) => Some(&frame.id),
            Up::Command(frame) => Some(&frame.id),
            Up::Send(frame) => Some(&frame.id),
            Up::Receipt(frame) => Some(&frame.id),
            Up::Ping(frame) => frame.id.as_deref(),
            Up::Hello(_) | Up::Typing(_) | Up::Presence(_) => None,
        }
    }
}

/// What is no frame.
#[derive(Debug)]
pub struct BadFrame {
    /// What its sender calls it, so that they know which one it was.
    pub id: Option<String>,
    /// Why.
    pub problem: Box<Problem>,
}

/// The id of something that need not be a frame otherwise.
fn name(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    let named: Named = serde_json::from_slice(bytes).ok()?;
    (1..=LIVE_FRAME_ID_BYTES_MAX).contains(&named.id.len()).then_some(named.id)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    extract::json(bytes)
}

/// Why events were missed that cannot be had any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetReason {
    /// The cursor is of another log.
    OtherLog,
    /// The cursor is none that this account was given.
    Unreadable,
    /// Too much happened since.
    TooOld,
    /// The account left a conversation and joined it again since; what it saw in between cannot be told.
    Membership,
    /// This node is older than an event and cannot show it.
    Undecodable,
}

impl ResetReason {
    /// The label in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            ResetReason::OtherLog => "other_log",
            ResetReason::Unreadable => "unreadable",
            ResetReason::TooOld => "too_old",
            ResetReason::Membership => "membership",
            ResetReason::Undecodable => "undecodable",
        }
    }
}

/// To a client, except events.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Down<'a> {
    /// The socket follows; everything behind the cursor will come.
    Welcome {
        cursor: Option<&'a str>,
        account_id: AccountId,
        session_id: SessionId,
        device_id: Option<DeviceId>,
        expires_at: Timestamp,
        heartbeat_seconds: u64,
    },
    /// Events are missing: read anew what is shown; everything behind the cursor will come.
    Reset { reason: ResetReason, cursor: Option<&'a str> },
    /// Nothing up to here is outstanding.
    Cursor { cursor: &'a str },
    /// A command took effect.
    Result {
        id: &'a str,
        #[serde(flatten)]
        answered: &'a Answered,
    },
    /// A token was taken.
    Authenticated { id: &'a str, expires_at: Timestamp },
    /// A frame or command was refused.
    Problem { id: Option<&'a str>, problem: &'a Value },
    /// Answers `ping`.
    Pong { id: Option<&'a str> },
    /// A member types, or stopped.
    Typing { conversation_id: Option<ConversationId>, account_id: AccountId, active: bool },
    /// Somebody is there, or is not.
    Presence { account_id: AccountId, status: Status },
}

impl Down<'_> {
    /// The frame's text.
    pub fn to_text(&self) -> String {
        // Plain structs of strings and numbers: there is nothing that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The frame of an event: its JSON is the same bytes for everybody, the cursor is the account's own.
pub fn event(cursor: &str, json: &Bytes) -> Option<String> {
    let json = std::str::from_utf8(json).ok()?;
    let parts = [r#"{"type":"event","cursor":""#, cursor, r#"","event":"#, json, "}"];
    Some(parts.concat())
}
